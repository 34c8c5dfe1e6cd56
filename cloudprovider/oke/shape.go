package oke

import (
	"cmp"
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
	quotas              string // names of the limits that count it, commas between; "" is unknown
}

// How long a shape is remembered: they do not change, new ones come. One from
// the shipped table is good until ListShapes answers.
const (
	shapeAge        = 6 * time.Hour
	shippedShapeAge = 10 * time.Minute
)

// shape reads a machine type. What ListShapes says is the truth; where it does
// not answer for the shape, or this user may not ask, the shipped table does.
func (p *Provider) shape(ctx context.Context, name string) (shape, error) {
	if known := p.knownShape(name); known.younger(shapeAge) {
		return known.value, nil
	}
	return together(ctx, &p.flights, "shape "+name, func() (shape, error) {
		if known := p.knownShape(name); known.younger(shapeAge) { // answered between the look and the question
			return known.value, nil
		}
		return p.learnShape(ctx, name)
	})
}

func (p *Provider) knownShape(name string) remembered[shape] {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shapes[name]
}

// learnShape asks, falls back on the table that is shipped, and remembers.
func (p *Provider) learnShape(ctx context.Context, name string) (shape, error) {
	sh, err := p.readShape(ctx, name)
	at := time.Now()
	if err != nil {
		shipped, ok := shippedShape(name)
		if !ok || ctx.Err() != nil {
			return shape{}, fmt.Errorf("read shape %s: %w", name, err)
		}
		p.log.DebugContext(ctx, "shape from the shipped table", "shape", name, "err", err)
		sh, at = shipped, at.Add(shippedShapeAge-shapeAge)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shapes[name] = remembered[shape]{sh, at}
	return sh, nil
}

func (p *Provider) readShape(ctx context.Context, name string) (shape, error) {
	r, err := call(ctx, p, p.readPolicy, "ListShapes", func(ctx context.Context) (core.ListShapesResponse, error) {
		return p.compute.ListShapes(ctx, core.ListShapesRequest{CompartmentId: &p.compartment, Shape: &name})
	})
	if err != nil {
		return shape{}, err
	}
	for _, s := range r.Items { // once per availability domain
		if str(s.Shape) == name {
			return shapeFrom(s), nil
		}
	}
	return shape{}, fmt.Errorf("%w: the region does not offer it", cloudprovider.ErrNotFound)
}

func shapeFrom(s core.Shape) shape {
	sh := shape{name: str(s.Shape), ocpus: float(s.Ocpus), memoryGB: float(s.MemoryInGBs), gpus: number(s.Gpus), vnics: number(s.MaxVnicAttachments), quotas: strings.Join(s.QuotaNames, ",")}
	if sh.gpus > 0 {
		sh.gpu = gpuResource(sh.name, str(s.GpuDescription))
	}
	if o := s.MaxVnicAttachmentOptions; o != nil {
		sh.vnicsPerOCPU, sh.minVNICs, sh.mostVNICs = float(o.DefaultPerOcpu), number(o.Min), int(float(o.Max))
	}
	return sh
}

// gpuResource is what the device plugin will call the GPUs.
func gpuResource(shape, description string) string {
	if strings.Contains(description, "AMD") {
		return amd
	}
	return cmp.Or(familyOf(shape).gpu, nvidia)
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
