package oke

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

// virtualAge is how long a list of virtual node pools is used again. Nobody
// decides on them: they are shown.
const virtualAge = 5 * time.Minute

// isVirtual is whether an OCID is of a virtual node pool.
func isVirtual(id cloudprovider.PoolID) bool {
	return strings.HasPrefix(string(id), "ocid1.virtualnodepool.")
}

// errVirtual refuses a write.
func errVirtual() error {
	return fmt.Errorf("%w: a virtual node pool has no machines, and OKE alone sizes its virtual nodes", cloudprovider.ErrNotSupported)
}

// virtualPools are the cluster's virtual node pools as they were last read. A
// basic cluster has none, and whoever may not list them does without: what is
// only shown must not keep anybody from what is not.
func (p *Provider) virtualPools(ctx context.Context) []cloudprovider.NodePool {
	p.mu.Lock()
	known := p.virtual
	p.mu.Unlock()
	if !known.younger(virtualAge) {
		list, err := p.listVirtualPools(ctx)
		if err == nil {
			known.value = list
		} else {
			p.log.DebugContext(ctx, "list virtual node pools", "err", err)
		}
		known.at = time.Now()
		if ctx.Err() == nil {
			p.mu.Lock()
			p.virtual = known
			p.mu.Unlock()
		}
	}
	out := slices.Clone(known.value)
	for i := range out {
		out[i].Placements = clonePlacements(out[i].Placements)
	}
	return out
}

func (p *Provider) listVirtualPools(ctx context.Context) ([]cloudprovider.NodePool, error) {
	items, err := allPages(poolPages, "virtual node pools", func(page *string) ([]containerengine.VirtualNodePoolSummary, *string, error) {
		r, err := call(ctx, p, virtualPolicy(p.readPolicy), "ListVirtualNodePools", func(ctx context.Context) (containerengine.ListVirtualNodePoolsResponse, error) {
			return p.reads.ListVirtualNodePools(ctx, containerengine.ListVirtualNodePoolsRequest{CompartmentId: &p.compartment, ClusterId: &p.cluster, Page: page})
		})
		return r.Items, r.OpcNextPage, err
	})
	if err != nil {
		return nil, err
	}
	var all []cloudprovider.NodePool
	for _, s := range items {
		if str(s.ClusterId) == p.cluster && s.LifecycleState != containerengine.VirtualNodePoolLifecycleStateDeleted {
			all = append(all, virtualPool(s, time.Now()))
		}
	}
	slices.SortFunc(all, func(a, b cloudprovider.NodePool) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// virtualPolicy tries once: the list is not worth a wait.
func virtualPolicy(pol policy) policy {
	pol.tries = 1
	return pol
}

// virtualPool has no templates: no Node of it will take a pod that tidemill
// could have helped.
func virtualPool(s containerengine.VirtualNodePoolSummary, now time.Time) cloudprovider.NodePool {
	out := cloudprovider.NodePool{
		ID: cloudprovider.PoolID(str(s.Id)), Name: str(s.DisplayName), Size: number(s.Size), Virtual: true,
		Release: cloudprovider.Release{Kubernetes: str(s.KubernetesVersion)}, Tags: tagsOf(s.FreeformTags, s.DefinedTags),
		Health: cloudprovider.Health{Observed: now, Updating: s.LifecycleState == containerengine.VirtualNodePoolLifecycleStateUpdating},
	}
	if s.PodConfiguration != nil {
		out.Shape = str(s.PodConfiguration.Shape)
	}
	for _, c := range s.PlacementConfigurations {
		out.Placements = append(out.Placements, cloudprovider.Placement{Zone: zone(str(c.AvailabilityDomain)), FaultDomains: slices.Clone(c.FaultDomain)})
	}
	return out
}
