package oke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

// poolMemory is what the driver remembers of one pool. Nothing in it is needed
// to be right, only to be quick.
type poolMemory struct {
	// write is held by the one change under way; a channel, so that a waiter can
	// give up with its context.
	write chan struct{}
	// answer is what the pool was read as.
	answer reread[containerengine.NodePool]

	mu sync.Mutex // guards the fields below
	// metadata is the pool's node metadata (kubelet arguments, cloud-init). A
	// list does not carry it, so that it is from the last GetNodePool.
	metadata remembered[map[string]string]
	// last is the pool as it was last listed without an error.
	last cloudprovider.NodePool
	// kept is a look that Pools had to take, for the Instances that follows it.
	kept remembered[look]
	// roster is who was in the pool at the last look, whoever took it.
	roster  remembered[roster]
	failure failureMemory
}

// memory finds or makes the memory of a pool.
func (p *Provider) memory(id cloudprovider.PoolID) *poolMemory {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.pools[id]
	if m == nil {
		m = &poolMemory{write: make(chan struct{}, 1)}
		p.pools[id] = m
	}
	return m
}

// Pools implements [cloudprovider.Provider]. It costs one request per page of
// the list, and one per pool that no Instances call has looked at within
// metadataAge: when Instances is called for each pool, as Fleet does, that is
// the first time only.
func (p *Provider) Pools(ctx context.Context) ([]cloudprovider.NodePool, error) {
	summaries, err := p.listPools(ctx)
	if err != nil {
		return nil, fmt.Errorf("list node pools of cluster %s: %w", p.cluster, err)
	}
	if len(summaries) == 0 {
		if err := p.emptyForAReason(ctx); err != nil {
			return nil, fmt.Errorf("list node pools of cluster %s: %w", p.cluster, err)
		}
	}
	slices.SortFunc(summaries, func(a, b containerengine.NodePoolSummary) int { return cmp.Compare(str(a.Id), str(b.Id)) })
	p.forgetOthers(summaries)
	now := time.Now()
	list := make([]cloudprovider.NodePool, len(summaries))
	parallel(len(summaries), func(i int) { list[i] = p.describe(ctx, summaries[i], now) })
	return append(list, p.virtualPools(ctx)...), ctx.Err() // whose IDs come after
}

// emptyForAReason tells a cluster without node pools from one that was asked for
// in the wrong place: the service answers both with an empty list, and taken at
// its word all pools would have been deleted.
func (p *Provider) emptyForAReason(ctx context.Context) error {
	c, err := p.controlPlane(ctx)
	switch {
	case errors.Is(err, cloudprovider.ErrNotFound):
		return fmt.Errorf("compartment %s has no node pools of it, and %w", p.compartment, err)
	case err != nil:
		p.log.WarnContext(ctx, "no node pools, and the cluster cannot be read", "cluster", p.cluster, "err", err)
	case c.compartment != p.compartment:
		return fmt.Errorf("%w: compartment %s has no node pools of it; the cluster itself is in compartment %s: are they there?", cloudprovider.ErrNotFound, p.compartment, c.compartment)
	}
	return nil
}

// poolPages bounds a list of node pools: a cluster has a few hundred at most, and a
// page a few dozen.
const poolPages = 500

// listPools reads the list to its end. Virtual node pools have a list of their
// own and are not in this one.
func (p *Provider) listPools(ctx context.Context) ([]containerengine.NodePoolSummary, error) {
	part := func(r *containerengine.ListNodePoolsResponse) *[]containerengine.NodePoolSummary { return &r.Items }
	all, err := allPages(poolPages, "node pools", func(page *string) ([]containerengine.NodePoolSummary, *string, error) {
		last := &p.listed
		if page != nil { // there is more than one only with very many pools
			last = &reread[[]containerengine.NodePoolSummary]{}
		}
		r, err := ask(ctx, p, last, "ListNodePools", part, func(ctx context.Context) (containerengine.ListNodePoolsResponse, error) {
			return p.reads.ListNodePools(ctx, containerengine.ListNodePoolsRequest{CompartmentId: &p.compartment, ClusterId: &p.cluster, Page: page})
		})
		return r.Items, r.OpcNextPage, err
	})
	return slices.DeleteFunc(all, func(s containerengine.NodePoolSummary) bool {
		return str(s.ClusterId) != p.cluster || s.LifecycleState == containerengine.NodePoolLifecycleStateDeleted
	}), err
}

// forgetOthers drops the memory of pools that are gone.
func (p *Provider) forgetOthers(summaries []containerengine.NodePoolSummary) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.pools, func(id cloudprovider.PoolID, m *poolMemory) bool {
		return len(m.write) == 0 && !slices.ContainsFunc(summaries, func(s containerengine.NodePoolSummary) bool { return str(s.Id) == string(id) })
	})
}

// metadataAge is how old a pool's node metadata may be; it is what a person
// edits now and then, and templates alone depend on it.
const metadataAge = 10 * time.Minute

// describe turns a list's entry into a pool. What cannot be read is taken from
// the last time, and Health says so.
func (p *Provider) describe(ctx context.Context, s containerengine.NodePoolSummary, now time.Time) cloudprovider.NodePool {
	id := cloudprovider.PoolID(str(s.Id))
	m := p.memory(id)
	out := cloudprovider.NodePool{
		ID: id, Name: str(s.Name), Size: sizeOf(s.NodeConfigDetails), Release: releaseOf(s), Shape: str(s.NodeShape),
		Health: cloudprovider.Health{Observed: now, Updating: busy(s.LifecycleState)},
		Tags:   tagsOf(s.FreeformTags, s.DefinedTags),
	}
	out.Min, out.Max = sizeTags(out.Tags)
	placements, problems, err := p.placements(ctx, id, s)
	out.Health.Warnings, out.Preemptible = problems, preemptiblePool(s)
	m.mu.Lock()
	defer m.mu.Unlock()
	out.Settings = poolSettings(s.NodeShape, s.NodeShapeConfig, s.NodeSourceDetails, m.metadata.value)
	p.warn(ctx, out, m.last.Health.Warnings)
	if err != nil {
		out.Health.Err = fmt.Errorf("read node pool %s (%s): %w", out.Name, id, err)
		if m.last.ID == "" {
			out.Placements = placements
			return out
		}
		out.Placements, out.Health.Observed = clonePlacements(m.last.Placements), m.last.Health.Observed
		return out
	}
	out.Placements = placements
	m.last = out
	m.last.Placements = clonePlacements(placements) // the returned ones belong to the caller
	return out
}

func (p *Provider) placements(ctx context.Context, id cloudprovider.PoolID, s containerengine.NodePoolSummary) ([]cloudprovider.Placement, []string, error) {
	m := p.memory(id)
	m.mu.Lock()
	metadata := m.metadata
	m.mu.Unlock()
	if !metadata.younger(metadataAge) {
		l, err := p.look(ctx, id)
		if err != nil {
			return bare(s), nil, err
		}
		metadata.value = l.pool.NodeMetadata
		m.mu.Lock()
		m.kept = remembered[look]{l, time.Now()}
		m.mu.Unlock()
	}
	sh, err := p.shape(ctx, str(s.NodeShape))
	if err != nil {
		return bare(s), nil, err
	}
	list, problems := template(s, metadata.value, sh, p.priceList())
	return list, problems, nil
}

func clonePlacements(list []cloudprovider.Placement) []cloudprovider.Placement {
	out := slices.Clone(list)
	for i := range out {
		out[i].FaultDomains = slices.Clone(out[i].FaultDomains)
		out[i].Template = *out[i].Template.DeepCopy()
	}
	return out
}

// look is one reading of a pool, and the etag that a write compares against.
type look struct {
	pool containerengine.NodePool
	etag *string
}

func (l look) size() int { return sizeOf(l.pool.NodeConfigDetails) }

// look reads one pool with its nodes. A pool of another cluster is not found:
// the driver must not be made to touch it by an OCID in the wrong place.
func (p *Provider) look(ctx context.Context, id cloudprovider.PoolID) (look, error) {
	m := p.memory(id)
	part := func(r *containerengine.GetNodePoolResponse) *containerengine.NodePool { return &r.NodePool }
	r, err := ask(ctx, p, &m.answer, "GetNodePool", part, func(ctx context.Context) (containerengine.GetNodePoolResponse, error) {
		return p.reads.GetNodePool(ctx, containerengine.GetNodePoolRequest{NodePoolId: common.String(string(id))})
	})
	if err != nil {
		return look{}, err
	}
	if str(r.ClusterId) != p.cluster {
		return look{}, fmt.Errorf("%w: it belongs to cluster %s", cloudprovider.ErrNotFound, str(r.ClusterId))
	}
	if r.LifecycleState == containerengine.NodePoolLifecycleStateDeleted {
		return look{}, fmt.Errorf("%w: it was deleted", cloudprovider.ErrNotFound)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metadata = remembered[map[string]string]{maps.Clone(r.NodeMetadata), time.Now()}
	m.roster = remembered[roster]{rosterOf(r.NodePool), time.Now()}
	return look{r.NodePool, r.Etag}, nil
}

// keptAge is how long a look that Pools took may serve Instances: both are called
// one after the other, and a second look would double the cost of the first one.
const keptAge = 3 * time.Second

// recentLook is the look that Pools has just taken, once, or a new one. A write
// ends it, see hold.
func (p *Provider) recentLook(ctx context.Context, id cloudprovider.PoolID) (look, error) {
	m := p.memory(id)
	m.mu.Lock()
	kept := m.kept
	m.kept = remembered[look]{}
	m.mu.Unlock()
	if kept.younger(keptAge) {
		return kept.value, nil
	}
	return p.look(ctx, id)
}

// sizeOf is 0 for a pool of the old kind that has a quantity per subnet.
func sizeOf(d *containerengine.NodePoolNodeConfigDetails) int {
	if d == nil || d.Size == nil {
		return 0
	}
	return *d.Size
}

func busy(s containerengine.NodePoolLifecycleStateEnum) bool {
	return s == containerengine.NodePoolLifecycleStateUpdating || s == containerengine.NodePoolLifecycleStateCreating ||
		s == containerengine.NodePoolLifecycleStateDeleting
}

// releaseOf is what a new instance of the pool gets.
func releaseOf(s containerengine.NodePoolSummary) cloudprovider.Release {
	r := cloudprovider.Release{Kubernetes: str(s.KubernetesVersion), Image: imageOf(s.NodeSourceDetails)}
	source, ok := s.NodeSource.(containerengine.NodeSourceViaImageOption)
	if r.Image == "" && ok {
		r.Image = str(source.ImageId)
	}
	if ok && str(source.ImageId) == r.Image {
		r.ImageName = str(source.SourceName)
	}
	return r
}

// imageOf is the OCID of the image that a pool's nodes boot.
func imageOf(d containerengine.NodeSourceDetails) string {
	if source, ok := d.(containerengine.NodeSourceViaImageDetails); ok {
		return str(source.ImageId)
	}
	return ""
}

// zone is an availability domain as the Node's label spells it: without the
// tenancy's prefix.
func zone(availabilityDomain string) cloudprovider.Zone {
	_, after, found := strings.Cut(availabilityDomain, ":")
	if !found {
		return cloudprovider.Zone(availabilityDomain)
	}
	return cloudprovider.Zone(after)
}

// str is a field that the service may leave out.
func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// readers bounds how many requests one call of the contract has under way.
const readers = 4

// parallel runs do for 0 to n-1, a few at a time.
func parallel(n int, do func(int)) {
	turn := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for i := range n {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			do(i)
		})
	}
	wg.Wait()
}
