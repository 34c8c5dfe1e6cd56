package oke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Releases implements [cloudprovider.Releaser]: what OKE offers for this
// cluster's control plane and the pool's shape.
func (p *Provider) Releases(ctx context.Context, id cloudprovider.PoolID) ([]cloudprovider.Release, error) {
	look, err := p.look(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("list releases of node pool %s: %w", id, err)
	}
	options, err := p.nodePoolOptions(ctx)
	if err != nil {
		return nil, fmt.Errorf("list releases of node pool %s: %w", id, err)
	}
	kind, err := p.kindOf(ctx, look.pool)
	if err != nil {
		return nil, fmt.Errorf("list releases of node pool %s: %w", id, err)
	}
	return releases(options, kind), nil
}

// kindOf is what a pool's next image has to be like: of the shape's architecture,
// and of the operating system and the GPU flavour of the image that the pool has.
// An upgrade of Kubernetes is not one from Oracle Linux 8 to 9.
func (p *Provider) kindOf(ctx context.Context, pool containerengine.NodePool) (imageKind, error) {
	shape := str(pool.NodeShape)
	sh, err := p.shape(ctx, shape)
	if err != nil {
		return imageKind{}, err
	}
	kind := imageKind{arch: archOf(shape), gpu: sh.gpus > 0}
	if have := parseImageName(p.nameOfImage(ctx, pool)); have.kubernetes != "" && have.os != "" {
		kind.os, kind.gpu = have.os, have.gpu
	}
	return kind, nil
}

// nameOfImage is the name of the pool's image. The pool itself tells, also when
// the image is gone.
func (p *Provider) nameOfImage(ctx context.Context, pool containerengine.NodePool) string {
	id := imageOf(pool.NodeSourceDetails)
	if source, ok := pool.NodeSource.(containerengine.NodeSourceViaImageOption); ok && str(source.ImageId) == id && str(source.SourceName) != "" {
		return str(source.SourceName)
	}
	return p.imageName(ctx, id)
}

// SetRelease implements [cloudprovider.Releaser].
func (p *Provider) SetRelease(ctx context.Context, id cloudprovider.PoolID, r cloudprovider.Release) error {
	if err := p.setRelease(ctx, id, r); err != nil {
		return fmt.Errorf("set release of node pool %s to %s: %w", id, r, err)
	}
	return nil
}

func (p *Provider) setRelease(ctx context.Context, id cloudprovider.PoolID, r cloudprovider.Release) error {
	if r.Kubernetes == "" {
		return fmt.Errorf("%w: a release names a Kubernetes version", cloudprovider.ErrInvalid)
	}
	release, err := p.hold(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	if r.Image == "" {
		if r, err = p.newest(ctx, id, r.Kubernetes); err != nil {
			return err
		}
	}
	var began string // the release that the caller saw, as far as a first look tells
	checked := false
	err = p.change(ctx, id, intent{decide: func(l look) (func(context.Context) error, error) {
		have := str(l.pool.KubernetesVersion) + " " + imageOf(l.pool.NodeSourceDetails)
		if have == r.Kubernetes+" "+r.Image {
			return nil, nil
		}
		if began != "" && began != have {
			return nil, fmt.Errorf("%w: its release is now %s", cloudprovider.ErrConflict, have)
		}
		began = have
		if !checked {
			if err := p.checkRelease(ctx, str(l.pool.NodeShape), r); err != nil {
				return nil, err
			}
			checked = true
		}
		return p.update(id, l, releaseUpdate(l, r)), nil
	}})
	return err
}

// newest is the newest image of a version for the pool.
func (p *Provider) newest(ctx context.Context, id cloudprovider.PoolID, version string) (cloudprovider.Release, error) {
	list, err := p.Releases(ctx, id)
	if err != nil {
		return cloudprovider.Release{}, err
	}
	i := slices.IndexFunc(list, func(r cloudprovider.Release) bool { return r.Kubernetes == version })
	if i < 0 {
		return cloudprovider.Release{}, fmt.Errorf("%w: OKE offers no image of Kubernetes %s for this shape and operating system; name one", cloudprovider.ErrNotFound, version)
	}
	return list[i], nil
}

// checkRelease finds out before the write what would else fail with the first
// new node, an hour later. An image whose name OKE did not choose tells nothing,
// and the service is left to judge it.
func (p *Provider) checkRelease(ctx context.Context, shape string, r cloudprovider.Release) error {
	if c, err := p.controlPlane(ctx); err == nil {
		if err := checkSkew(r.Kubernetes, c.kubernetes); err != nil {
			return err
		}
	} else if !errors.Is(err, cloudprovider.ErrUnauthorized) && !errors.Is(err, cloudprovider.ErrNotFound) {
		return err // who may not read the cluster leaves it to the service
	}
	image, err := p.image(ctx, r.Image)
	if err != nil {
		if errors.Is(err, cloudprovider.ErrNotFound) {
			return fmt.Errorf("image %s: %w; it was retired or is in another region: choose one of the pool's releases", r.Image, err)
		}
		return fmt.Errorf("image %s: %w", r.Image, err)
	}
	name := parseImageName(str(image.DisplayName))
	if name.kubernetes == "" {
		return nil
	}
	if name.kubernetes != r.Kubernetes {
		return fmt.Errorf("%w: image %s is for Kubernetes %s", cloudprovider.ErrInvalid, str(image.DisplayName), name.kubernetes)
	}
	if name.arch != archOf(shape) {
		return fmt.Errorf("%w: image %s (%s) does not boot on shape %s (%s)", cloudprovider.ErrInvalid, str(image.DisplayName), name.arch, shape, archOf(shape))
	}
	return nil
}

// releaseUpdate is the smallest PUT that sets a release. The boot volume's size
// goes along because the source is one object: without it it would be reset.
func releaseUpdate(l look, r cloudprovider.Release) containerengine.UpdateNodePoolDetails {
	source := containerengine.NodeSourceViaImageDetails{ImageId: common.String(r.Image)}
	if old, ok := l.pool.NodeSourceDetails.(containerengine.NodeSourceViaImageDetails); ok {
		source.BootVolumeSizeInGBs = old.BootVolumeSizeInGBs
	}
	details := containerengine.UpdateNodePoolDetails{KubernetesVersion: common.String(r.Kubernetes), NodeSourceDetails: source}
	// A pool with cycling switched on might turn itself over with this very change.
	if c := l.pool.NodePoolCyclingDetails; c != nil && c.IsNodeCyclingEnabled != nil && *c.IsNodeCyclingEnabled {
		details.NodePoolCyclingDetails = &containerengine.NodePoolCyclingDetails{IsNodeCyclingEnabled: common.Bool(false)}
	}
	return details
}

// compareVersions orders "v1.9.2" before "v1.10.0".
func compareVersions(a, b string) int {
	as, bs := strings.Split(strings.TrimPrefix(a, "v"), "."), strings.Split(strings.TrimPrefix(b, "v"), ".")
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}
