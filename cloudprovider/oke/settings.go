package oke

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
)

// The settings of a pool that its instances may lag behind, by the names that
// users know (api/v1alpha1, DriftField). An instance is asked only about what its
// pool states: what OKE adds to it on its own is nobody's drift.
const (
	settingShape      = "shape"
	settingMetadata   = "metadata"
	settingBootVolume = "bootVolume"
)

// poolSettings are what a new instance of the pool gets. metadata is nil when it
// was not read.
func poolSettings(shape *string, config *containerengine.NodeShapeConfig, source containerengine.NodeSourceDetails, metadata map[string]string) map[string]string {
	out := map[string]string{settingShape: shapeSetting(str(shape), nil)}
	if config != nil {
		out[settingShape] = shapeSetting(str(shape), &sizeSetting{float(config.Ocpus), float(config.MemoryInGBs)})
	}
	if d, ok := source.(containerengine.NodeSourceViaImageDetails); ok && d.BootVolumeSizeInGBs != nil {
		out[settingBootVolume] = bootSetting(*d.BootVolumeSizeInGBs)
	}
	if metadata != nil {
		hashes := hashesOf(metadata)
		out[settingMetadata] = metadataSetting(hashes, hashes)
	}
	return out
}

// made is what an instance was made with. Of its metadata only hashes are kept:
// scripts are long, and there may be secrets in them.
type made struct {
	shape    string
	size     *sizeSetting // nil where Compute does not tell
	bootGB   int64        // 0 where Compute does not tell
	metadata map[string]uint64
}

type sizeSetting struct{ ocpus, memoryGB float64 }

func madeOf(in core.Instance) made {
	m := made{shape: str(in.Shape), metadata: hashesOf(in.Metadata)}
	if c := in.ShapeConfig; c != nil && c.Ocpus != nil && c.MemoryInGBs != nil {
		m.size = &sizeSetting{float(c.Ocpus), float(c.MemoryInGBs)}
	}
	if source, ok := in.SourceDetails.(core.InstanceSourceViaImageDetails); ok && source.BootVolumeSizeInGBs != nil {
		m.bootGB = *source.BootVolumeSizeInGBs
	}
	return m
}

// settings are the instance's, in the form that its pool's have.
func (m made) settings(pool containerengine.NodePool) map[string]string {
	out := map[string]string{}
	switch {
	case m.shape == "":
	case pool.NodeShapeConfig == nil:
		out[settingShape] = shapeSetting(m.shape, nil)
	case m.size != nil:
		out[settingShape] = shapeSetting(m.shape, m.size)
	}
	if m.bootGB > 0 {
		out[settingBootVolume] = bootSetting(m.bootGB)
	}
	if pool.NodeMetadata != nil && m.metadata != nil {
		out[settingMetadata] = metadataSetting(hashesOf(pool.NodeMetadata), m.metadata)
	}
	return out
}

func shapeSetting(shape string, size *sizeSetting) string {
	if size == nil {
		return shape
	}
	return fmt.Sprintf("%s %g OCPU %g GB", shape, size.ocpus, size.memoryGB)
}

func bootSetting(gb int64) string { return fmt.Sprintf("%d GB", gb) }

// metadataSetting is a fingerprint of values under the keys of asked.
func metadataSetting(asked, values map[string]uint64) string {
	h := fnv.New32a()
	for _, key := range slices.Sorted(maps.Keys(asked)) {
		v, ok := values[key]
		fmt.Fprintln(h, key, v, ok)
	}
	return fmt.Sprintf("%08x", h.Sum32())
}

func hashesOf(metadata map[string]string) map[string]uint64 {
	if metadata == nil {
		return nil
	}
	out := make(map[string]uint64, len(metadata))
	for key, value := range metadata {
		h := fnv.New64a()
		h.Write([]byte(value))
		out[key] = h.Sum64()
	}
	return out
}
