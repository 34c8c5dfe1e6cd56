package oke

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
)

// shape is what Compute tells of a machine type. For a flexible one ocpus and
// memoryGB are only defaults; the pool has the true ones.
type shape struct {
	name     string
	ocpus    float64
	memoryGB float64
	gpus     int
	gpu      string // the resource's name: "nvidia.com/gpu", "amd.com/gpu"
	// VNICs of a fixed shape, and of a flexible one by OCPU; 0 is unknown.
	vnics               int
	vnicsPerOCPU        float64
	minVNICs, mostVNICs int
}

// shapeAge is how long a shape is remembered: they do not change, new ones come.
const shapeAge = 6 * time.Hour

// shape reads a machine type.
func (p *Provider) shape(ctx context.Context, name string) (shape, error) {
	p.mu.Lock()
	known := p.shapes[name]
	p.mu.Unlock()
	if known.younger(shapeAge) {
		return known.value, nil
	}
	r, err := call(ctx, p, p.readPolicy, "ListShapes", func(ctx context.Context) (core.ListShapesResponse, error) {
		return p.compute.ListShapes(ctx, core.ListShapesRequest{CompartmentId: &p.compartment, Shape: &name})
	})
	if err != nil {
		return shape{}, fmt.Errorf("read shape %s: %w", name, err)
	}
	for _, s := range r.Items { // once per availability domain
		if str(s.Shape) == name {
			sh := shapeFrom(s)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.shapes[name] = remembered[shape]{sh, time.Now()}
			return sh, nil
		}
	}
	return shape{}, fmt.Errorf("read shape %s: %w: the region does not offer it", name, cloudprovider.ErrNotFound)
}

func shapeFrom(s core.Shape) shape {
	sh := shape{name: str(s.Shape), ocpus: float(s.Ocpus), memoryGB: float(s.MemoryInGBs), gpus: number(s.Gpus), vnics: number(s.MaxVnicAttachments)}
	sh.gpu = "nvidia.com/gpu"
	if strings.Contains(str(s.GpuDescription), "AMD") || strings.Contains(sh.name, ".MI3") {
		sh.gpu = "amd.com/gpu"
	}
	if o := s.MaxVnicAttachmentOptions; o != nil {
		sh.vnicsPerOCPU, sh.minVNICs, sh.mostVNICs = float(o.DefaultPerOcpu), number(o.Min), int(float(o.Max))
	}
	return sh
}

// vnicsAt is how many VNICs an instance with so many OCPUs has room for, its own
// included; 0 is unknown.
func (s shape) vnicsAt(ocpus float64) int {
	if s.vnicsPerOCPU == 0 {
		return s.vnics
	}
	n := max(int(ocpus*s.vnicsPerOCPU), s.minVNICs, 2)
	if s.mostVNICs > 0 {
		n = min(n, s.mostVNICs)
	}
	return n
}

func float(f *float32) float64 {
	if f == nil {
		return 0
	}
	return float64(*f)
}

func number(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
