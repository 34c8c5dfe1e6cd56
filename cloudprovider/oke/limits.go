package oke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/limits"

	"github.com/tidemill/tidemill/cloudprovider"
)

var _ cloudprovider.LimitReporter = (*Provider)(nil)

// Limits implements [cloudprovider.LimitReporter]. It costs the look and a request
// for each limit that counts the pool's shape, by the names that ListShapes gives,
// in each of its availability domains. Like [Provider.Capacity] it needs a right in
// the tenancy that nothing else here does.
func (p *Provider) Limits(ctx context.Context, id cloudprovider.PoolID) ([]cloudprovider.Limit, error) {
	l, err := p.look(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("report limits of node pool %s: %w", id, err)
	}
	tenancy, err := p.who.config.TenancyOCID()
	if err != nil || tenancy == "" {
		return nil, fmt.Errorf("report limits of node pool %s: %w: the tenancy of %s is not known", id, cloudprovider.ErrNotSupported, p.who.who)
	}
	sh, err := p.shape(ctx, str(l.pool.NodeShape))
	if err != nil {
		return nil, fmt.Errorf("report limits of node pool %s: %w", id, err)
	}
	if sh.quotas == "" {
		return nil, fmt.Errorf("report limits of node pool %s: %w: Compute names no limit of shape %s", id, cloudprovider.ErrNotSupported, sh.name)
	}
	var list []cloudprovider.Limit
	for name := range strings.SplitSeq(sh.quotas, ",") {
		some, err := p.limit(ctx, tenancy, name, domains(l.pool))
		if err != nil {
			return nil, fmt.Errorf("report limit %s of node pool %s: %w", name, id, err)
		}
		for i := range some {
			some[i].PerNode = takes(name, sh, l.pool.NodeShapeConfig)
		}
		list = append(list, some...)
	}
	return list, nil
}

// limit asks about one limit in each domain, or once where it is the region's: the
// service refuses a domain then.
func (p *Provider) limit(ctx context.Context, tenancy, name string, domains []string) ([]cloudprovider.Limit, error) {
	var list []cloudprovider.Limit
	for _, ad := range domains {
		left, err := p.available(ctx, tenancy, name, &ad)
		if errors.Is(err, cloudprovider.ErrInvalid) {
			left, err = p.available(ctx, tenancy, name, nil)
			return []cloudprovider.Limit{{Name: name, Left: left}}, err
		}
		if err != nil {
			return nil, err
		}
		list = append(list, cloudprovider.Limit{Name: name, Zone: zone(ad), Left: left})
	}
	return list, nil
}

func (p *Provider) available(ctx context.Context, tenancy, name string, ad *string) (float64, error) {
	r, err := call(ctx, p, p.readPolicy, "GetResourceAvailability", func(ctx context.Context) (limits.GetResourceAvailabilityResponse, error) {
		return p.limits.GetResourceAvailability(ctx, limits.GetResourceAvailabilityRequest{ServiceName: common.String("compute"), LimitName: &name, CompartmentId: &tenancy, AvailabilityDomain: ad})
	})
	switch {
	case err != nil:
		return 0, err
	case r.FractionalAvailability != nil:
		return float64(*r.FractionalAvailability), nil
	case r.Available != nil:
		return float64(*r.Available), nil
	}
	return 0, fmt.Errorf("%w: the Limits service does not say how much of it is left", cloudprovider.ErrNotSupported)
}

// domains are the pool's availability domains, each once.
func domains(pool containerengine.NodePool) []string {
	var list []string
	if pool.NodeConfigDetails == nil {
		return nil
	}
	for _, place := range pool.NodeConfigDetails.PlacementConfigs {
		if ad := str(place.AvailabilityDomain); !slices.Contains(list, ad) {
			list = append(list, ad)
		}
	}
	return list
}

// takes is how much of a limit a machine takes, which only its name tells: memory in
// GB, cores, GPUs, or itself as one.
func takes(limit string, sh shape, c *containerengine.NodeShapeConfig) float64 {
	ocpus, memory := sh.ocpus, sh.memoryGB
	if c != nil && c.Ocpus != nil {
		ocpus = float(c.Ocpus)
	}
	if c != nil && c.MemoryInGBs != nil {
		memory = float(c.MemoryInGBs)
	}
	switch {
	case strings.Contains(limit, "memory"):
		return memory
	case strings.Contains(limit, "gpu"):
		return float64(sh.gpus)
	case strings.Contains(limit, "core"):
		return ocpus
	}
	return 1
}
