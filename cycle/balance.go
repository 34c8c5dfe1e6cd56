package cycle

import (
	"cmp"
	"slices"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// surplus are the machines beyond the desired size, once nothing is left to be
// replaced: a run that was aborted, a node that went by itself, one that came
// to even out the zones. The fullest zone gives, and in it the newest.
func (d *decision) surplus(run *v1alpha1.CycleStatus, left int) []*world.Node {
	beyond := d.pool.Cloud.Size - int(run.Desired) - d.failedEntries() - len(d.vanished())
	if left > 0 || beyond <= 0 {
		return nil
	}
	nodes := d.machines()
	// What is being emptied as surplus stays chosen, whatever is born meanwhile.
	var out []*world.Node
	for _, n := range nodes {
		if n.Mark != nil && n.Mark.Reason == string(Surplus) && len(out) < beyond {
			out = append(out, n)
		}
	}
	for len(out) < beyond {
		nodes = slices.DeleteFunc(nodes, func(n *world.Node) bool { return slices.Contains(out, n) })
		if len(nodes) == 0 {
			break
		}
		out = append(out, slices.MaxFunc(d.fullest(nodes), func(a, b *world.Node) int {
			return cmp.Or(a.Created().Compare(b.Created()), cmp.Compare(b.ID(), a.ID()))
		}))
	}
	return out
}

// machines are what the pool's size counts and nobody is taking away yet.
func (d *decision) machines() []*world.Node {
	var nodes []*world.Node
	for _, n := range d.pool.Nodes {
		if machine(n) && !goingAway(n) && !vanished(n) && n.MarkErr == nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// fullest are the nodes of the fullest zones; all, if none is in a zone that the
// pool may land in.
func (d *decision) fullest(nodes []*world.Node) []*world.Node {
	zones, most, _ := d.population(nodes)
	if most == 0 {
		return nodes
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(n *world.Node) bool { return zones[n.Zone()] < most })
}

// population counts nodes by the zones that the pool may land in.
func (d *decision) population(nodes []*world.Node) (zones map[cloudprovider.Zone]int, most, least int) {
	zones = map[cloudprovider.Zone]int{}
	for _, n := range nodes {
		zones[n.Zone()]++
	}
	for i, z := range d.pool.Cloud.Zones() {
		most = max(most, zones[z])
		if i == 0 || zones[z] < least {
			least = zones[z]
		}
	}
	return zones, most, least
}

// uneven is whether a run that has nothing left to replace should ask for one
// more node, so that the fullest zone can give one: the cloud, which chooses
// where new nodes land, has left the zones further apart than they need be. It
// asks once for each zone at most: a cloud that goes on landing nodes in the
// same zone is not asked for ever. A run for single nodes moves no others.
func (d *decision) uneven(run *v1alpha1.CycleStatus, left int) bool {
	zones := len(d.pool.Cloud.Zones())
	if left > 0 || zones < 2 || int(run.Rebalanced) >= zones || single(run) || d.ends(run) != nil {
		return false
	}
	_, most, least := d.population(d.machines())
	return most-least >= 2 && d.pool.Cloud.Size == int(run.Desired) && d.quiet()
}
