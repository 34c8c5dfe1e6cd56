package externalgrpc

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// view is everything that reads are answered from. It is never changed: a new
// one takes its place.
type view struct {
	groups     []*group // in order of ID
	byID       map[cloudprovider.PoolID]*group
	byInstance map[cloudprovider.InstanceID]place
	gpuTypes   []string
	rates      rates
	observed   time.Time
}

// group is a pool that the client may scale.
type group struct {
	pool      cloudprovider.NodePool
	bounds    Bounds
	instances []cloudprovider.Instance
	run       *run // the turn-over under way, nil if there is none
	message   *wire.NodeGroup
	template  []byte // a v1.Node; empty only if noNode says why
	noNode    error
	override  override
}

// place is where a machine is.
type place struct {
	pool     cloudprovider.PoolID
	group    *group // nil if its pool is no group
	instance cloudprovider.Instance
	veto     veto
}

// build makes the view of a look at the cloud and one at the cluster. It is
// pure.
func build(cloud cloudprovider.Cloud, cluster clusterLook, s Selection) *view {
	v := &view{
		byID: map[cloudprovider.PoolID]*group{}, byInstance: map[cloudprovider.InstanceID]place{},
		gpuTypes: cluster.gpuTypes, observed: cloud.Observed,
	}
	names := namesOf(cloud.Pools)
	for _, p := range cloud.Pools {
		object := cluster.objectOf(p, names[p.Name] == 1)
		g := newGroup(p, object, cloud.Instances[p.ID], cluster, s)
		if g != nil {
			v.groups = append(v.groups, g)
			v.byID[p.ID] = g
		}
		for _, in := range cloud.Instances[p.ID] {
			v.byInstance[in.ID] = place{p.ID, g, in, cluster.vetoes[in.ID]}
		}
	}
	v.rates = ratesOf(v.groups)
	return v
}

// namesOf counts the pools of each name: a name that two have is nobody's.
func namesOf(pools []cloudprovider.NodePool) map[string]int {
	names := map[string]int{}
	for _, p := range pools {
		names[p.Name]++
	}
	return names
}

func newGroup(p cloudprovider.NodePool, object *poolObject, instances []cloudprovider.Instance, cluster clusterLook, s Selection) *group {
	var fromObject *Bounds
	g := &group{pool: p, instances: instances}
	if object != nil {
		fromObject, g.run = object.bounds, object.run
	}
	b, ok := s.bounds(p, fromObject)
	if !ok {
		return nil
	}
	g.bounds = b
	g.override = overrideOf(p.Tags, object)
	g.template, g.noNode = templateOf(p, instances, cluster.lessons[p.ID])
	g.message = &wire.NodeGroup{Id: string(p.ID), MinSize: int32(b.Min), MaxSize: int32(b.Max), Debug: g.String()}
	return g
}

// String is what the client shows of the group in its logs.
func (g *group) String() string {
	text := fmt.Sprintf("%s (%s) min %d max %d size %d", g.pool.Name, g.pool.Shape, g.bounds.Min, g.bounds.Max, g.pool.Size)
	if g.run != nil {
		text += ", being turned over by tidemill"
	}
	if g.pool.Health.Err != nil {
		text += ", last read " + g.pool.Health.Observed.UTC().Format(time.RFC3339)
	}
	return text
}

// live is how many machines the pool has that nobody is deleting.
func (g *group) live() int {
	n := 0
	for _, in := range g.instances {
		if !in.ID.Placeholder() && in.State != cloudprovider.Deleting {
			n++
		}
	}
	return n
}

// base is the size that bounds are about: without the surge of a turn-over,
// which goes by itself.
func (g *group) base() int {
	if g.run != nil {
		return min(g.run.desired, g.pool.Size)
	}
	return g.pool.Size
}

// beyond is by how much growth by delta raises what the run under way desires, and the
// pool's size. A run that has ended a node before its successor is there makes that one
// anyway: it is not desired twice, and it comes now, for a size between the two would be
// taken for somebody's edit.
func (g *group) beyond(delta int) (desired, size int) {
	desired = max(g.base()+delta-g.run.desired, 0)
	return desired, max(delta, g.run.desired+desired-g.pool.Size)
}

// merge takes a new look at the cloud, except for the pools that were written
// to between its beginning and its end: there, what is known from the write may be
// newer.
func merge(old, look cloudprovider.Cloud, written func(cloudprovider.PoolID) bool) cloudprovider.Cloud {
	look.Pools, look.Instances = slices.Clone(look.Pools), maps.Clone(look.Instances)
	for i, p := range look.Pools {
		j := slices.IndexFunc(old.Pools, func(o cloudprovider.NodePool) bool { return o.ID == p.ID })
		if j >= 0 && written(p.ID) {
			look.Pools[i], look.Instances[p.ID] = old.Pools[j], old.Instances[p.ID]
		}
	}
	return look
}

// amend is the cloud after a write: the pool's size, and the named machines on
// their way out.
func amend(cloud cloudprovider.Cloud, pool cloudprovider.PoolID, size int, gone map[cloudprovider.InstanceID]bool) cloudprovider.Cloud {
	cloud.Pools, cloud.Instances = slices.Clone(cloud.Pools), maps.Clone(cloud.Instances)
	for i := range cloud.Pools {
		if cloud.Pools[i].ID == pool {
			cloud.Pools[i].Size = size
		}
	}
	var kept []cloudprovider.Instance
	for _, in := range cloud.Instances[pool] {
		switch {
		case gone[in.ID] && in.ID.Placeholder():
			continue
		case gone[in.ID]:
			in.State = cloudprovider.Deleting
		}
		kept = append(kept, in)
	}
	if cloud.Instances != nil {
		cloud.Instances[pool] = kept
	}
	return cloud
}
