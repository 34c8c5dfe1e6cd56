package oke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
)

// How long answers that change now and then are used again.
const (
	optionsAge      = 5 * time.Minute  // which images and versions OKE offers
	unknownImageAge = 10 * time.Minute // "no such image"; a known name is kept
)

// image reads one image. One that was deleted or disabled is ErrNotFound: a
// pool may still name it, but nothing boots from it.
func (p *Provider) image(ctx context.Context, id string) (core.Image, error) {
	r, err := call(ctx, p, p.readPolicy, "GetImage", func(ctx context.Context) (core.GetImageResponse, error) {
		return p.compute.GetImage(ctx, core.GetImageRequest{ImageId: common.String(id)})
	})
	if err != nil {
		return core.Image{}, err
	}
	if r.LifecycleState != core.ImageLifecycleStateAvailable {
		return core.Image{}, fmt.Errorf("%w: it is %s", cloudprovider.ErrNotFound, r.LifecycleState)
	}
	return r.Image, nil
}

// imageName is the name of an image, "" if it cannot be had.
func (p *Provider) imageName(ctx context.Context, id string) string {
	if id == "" {
		return ""
	}
	if name, known := p.knownImage(id); known {
		return name
	}
	name, err := together(ctx, &p.flights, "image "+id, func() (string, error) {
		if name, known := p.knownImage(id); known { // answered between the look and the question
			return name, nil
		}
		image, err := p.image(ctx, id)
		if err != nil && !errors.Is(err, cloudprovider.ErrNotFound) {
			return "", err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.images[id] = remembered[string]{str(image.DisplayName), time.Now()}
		return str(image.DisplayName), nil
	})
	if err != nil {
		p.log.WarnContext(ctx, "get image", "image", id, "err", err)
	}
	return name
}

// knownImage is the name that is remembered, and whether it is still worth anything.
func (p *Provider) knownImage(id string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.images[id]
	return m.value, m.value != "" || m.younger(unknownImageAge)
}

// nodePoolOptions is what this cluster's pools may be: versions that the
// control plane allows, and the images for them.
func (p *Provider) nodePoolOptions(ctx context.Context) (containerengine.NodePoolOptions, error) {
	p.mu.Lock()
	known := p.options
	p.mu.Unlock()
	if known.younger(optionsAge) {
		return known.value, nil
	}
	r, err := call(ctx, p, p.readPolicy, "GetNodePoolOptions", func(ctx context.Context) (containerengine.GetNodePoolOptionsResponse, error) {
		return p.reads.GetNodePoolOptions(ctx, containerengine.GetNodePoolOptionsRequest{NodePoolOptionId: &p.cluster, CompartmentId: &p.compartment})
	})
	if err != nil {
		return containerengine.NodePoolOptions{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.options = remembered[containerengine.NodePoolOptions]{r.NodePoolOptions, time.Now()}
	for _, s := range r.Sources { // names for nothing
		if source, ok := s.(containerengine.NodeSourceViaImageOption); ok && str(source.SourceName) != "" {
			p.images[str(source.ImageId)] = remembered[string]{str(source.SourceName), time.Now()}
		}
	}
	return r.NodePoolOptions, nil
}

// imageKind is what tells images apart beside version and date.
type imageKind struct {
	arch string
	gpu  bool
	os   string // "oraclelinux8"; "" is any
}

func (k imageKind) fits(name imageName) bool {
	return name.kubernetes != "" && name.arch == k.arch && name.gpu == k.gpu && (k.os == "" || name.os == k.os)
}

// releases are the images of options that a pool can boot, versions descending,
// newest image first.
func releases(options containerengine.NodePoolOptions, kind imageKind) []cloudprovider.Release {
	type candidate struct {
		cloudprovider.Release
		name imageName
	}
	var fit []candidate
	for _, s := range options.Sources {
		source, ok := s.(containerengine.NodeSourceViaImageOption)
		if !ok {
			continue
		}
		name := parseImageName(str(source.SourceName))
		if !kind.fits(name) {
			continue
		}
		if len(options.KubernetesVersions) > 0 && !slices.Contains(options.KubernetesVersions, name.kubernetes) {
			continue
		}
		fit = append(fit, candidate{
			cloudprovider.Release{Kubernetes: name.kubernetes, Image: str(source.ImageId), ImageName: str(source.SourceName)}, name,
		})
	}
	slices.SortStableFunc(fit, func(a, b candidate) int {
		if c := compareVersions(b.Kubernetes, a.Kubernetes); c != 0 {
			return c
		}
		return compareImages(a.name, b.name)
	})
	list := make([]cloudprovider.Release, len(fit))
	for i, f := range fit {
		list[i] = f.Release
	}
	return list
}
