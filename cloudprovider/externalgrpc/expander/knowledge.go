package expander

import (
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Knowledge is what looks at the cloud have taught. It is never changed: a look
// makes a new one. nil knows nothing.
type Knowledge struct {
	Priorities Priorities

	pools    map[cloudprovider.PoolID]cloudprovider.NodePool
	machines map[cloudprovider.PoolID]map[cloudprovider.Zone]int // live ones
	refusals map[spot]time.Time                                  // when last seen
}

// spot is where machines of a shape are had, or not: another pool asks for the
// same ones there.
type spot struct {
	shape string
	zone  cloudprovider.Zone
}

// backOff is how long after a refusal a spot is avoided. The client itself leaves
// the pool that was refused alone for 5 to 30 minutes; others of the same shape
// and place it would try.
const backOff = 20 * time.Minute

// Look is the knowledge after a look at the cloud at the time now. It is pure.
func (k *Knowledge) Look(cloud cloudprovider.Cloud, p Priorities, now time.Time) *Knowledge {
	next := &Knowledge{Priorities: p, pools: map[cloudprovider.PoolID]cloudprovider.NodePool{},
		machines: map[cloudprovider.PoolID]map[cloudprovider.Zone]int{}, refusals: map[spot]time.Time{}}
	if k != nil {
		for s, at := range k.refusals {
			if now.Sub(at) < backOff {
				next.refusals[s] = at
			}
		}
	}
	for _, pool := range cloud.Pools {
		next.pools[pool.ID] = pool
		next.machines[pool.ID] = map[cloudprovider.Zone]int{}
		for _, in := range cloud.Instances[pool.ID] {
			next.see(pool, in, now)
		}
	}
	return next
}

// see takes in one machine, or the lack of it. A machine that is younger than
// the refusal proves that there are some again.
func (k *Knowledge) see(pool cloudprovider.NodePool, in cloudprovider.Instance, now time.Time) {
	if in.State != cloudprovider.Deleting && !in.ID.Placeholder() {
		k.machines[pool.ID][in.Zone]++
		if at, ok := k.refusals[spot{pool.Shape, in.Zone}]; ok && in.Created.After(at) {
			delete(k.refusals, spot{pool.Shape, in.Zone})
		}
	}
	if !lacking(in) || pool.Shape == "" {
		return
	}
	for _, zone := range pool.Zones() {
		if in.Zone == zone || in.Zone == "" {
			k.refusals[spot{pool.Shape, zone}] = now
		}
	}
}

// lacking is whether a machine could not be had.
func lacking(in cloudprovider.Instance) bool {
	if in.Fault == nil || in.State != cloudprovider.Failed && in.State != cloudprovider.Creating {
		return false
	}
	switch in.Fault.Class {
	case cloudprovider.FaultCapacity, cloudprovider.FaultLimit, cloudprovider.FaultQuota:
		return true
	}
	return false
}

// complete adds to options what is known of their pools.
func (k *Knowledge) complete(options []Option) {
	if k == nil {
		return
	}
	crowd := map[cloudprovider.Zone]int{}
	for _, o := range options {
		for zone, n := range k.machines[o.ID] {
			crowd[zone] += n
		}
	}
	for i := range options {
		o := &options[i]
		p, ok := k.pools[o.ID]
		next, placed := k.next(p)
		if !ok || !placed {
			continue
		}
		o.Name, o.Price, o.Crowd, o.Refused = p.Name, next.Price, crowd[next.Zone], k.refused(p)
		if o.Room == (Room{}) {
			o.Room = roomOf(next.Template.Status.Allocatable)
		}
	}
}

// next is the placement of the pool that has the fewest machines: there OKE puts
// the next one.
func (k *Knowledge) next(p cloudprovider.NodePool) (best cloudprovider.Placement, ok bool) {
	for _, pl := range p.Placements {
		if !ok || k.machines[p.ID][pl.Zone] < k.machines[p.ID][best.Zone] {
			best, ok = pl, true
		}
	}
	return best, ok
}

func (k *Knowledge) refused(p cloudprovider.NodePool) float64 {
	zones, n := p.Zones(), 0
	for _, zone := range zones {
		if _, ok := k.refusals[spot{p.Shape, zone}]; ok {
			n++
		}
	}
	return float64(n) / float64(max(1, len(zones)))
}
