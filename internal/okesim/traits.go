package okesim

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Traits are the properties of a pool that a node is made with, by their JSON names. A node whose traits differ from its pool's is
// what node cycling replaces.
type traits map[string]string

// volumeTraits are the ones that live on the boot volume: a node that differs in these only can get a new volume instead of a new machine.
var volumeTraits = []string{"bootVolumeSizeInGBs", "imageId", "kmsKeyId", "kubernetesVersion", "nodeMetadata", "sshPublicKey"}

func traitsOf(p Pool) traits {
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // maps of strings always encode
		}
		return string(b)
	}
	t := traits{
		"kubernetesVersion": p.KubernetesVersion, "imageId": p.ImageID, "bootVolumeSizeInGBs": fmt.Sprint(p.BootVolumeGB),
		"nodeShape": p.Shape, "nodeShapeConfig": fmt.Sprint(p.OCPUs, p.MemoryGB), "nodeMetadata": "{}", "initialNodeLabels": "{}",
	}
	if len(p.Metadata) > 0 {
		t["nodeMetadata"] = text(p.Metadata)
	}
	if len(p.Labels) > 0 {
		t["initialNodeLabels"] = text(p.Labels)
	}
	for name, field := range map[string]string{"sshPublicKey": "sshPublicKey", "nsgIds": configPrefix + "nsgIds", "kmsKeyId": configPrefix + "kmsKeyId",
		"isPvEncryptionInTransitEnabled": configPrefix + "isPvEncryptionInTransitEnabled"} {
		t[name] = string(p.Opaque[field])
	}
	return t
}

// drift names the traits in which a node differs from its pool, sorted.
func (p *pool) drift(n *node) []string {
	if n.inst == nil {
		return nil
	}
	var names []string
	for name, want := range traitsOf(p.spec) {
		if n.inst.made[name] != want {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// onVolume says whether a new boot volume mends the whole drift.
func onVolume(drift []string) bool {
	return !slices.ContainsFunc(drift, func(name string) bool { return !slices.Contains(volumeTraits, name) })
}
