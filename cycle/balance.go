package cycle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// surplus are the machines beyond the desired size, once nothing is left to be
// replaced: a run that was aborted, a node that went by itself, one that came
// to even out the zones. [decision.spare] says which.
func (d *decision) surplus(run *v1alpha1.CycleStatus, left int) []*world.Node {
	beyond := d.pool.Cloud.Size - int(run.Desired) - d.failedEntries() - len(d.vanished())
	if left > 0 || beyond <= 0 || d.doubtful() {
		return nil
	}
	nodes := d.machines()
	// What is being emptied as surplus stays chosen, whatever is born meanwhile, and
	// in a run that ends what is being emptied for not having joined.
	ends := d.ends(run) != nil
	var out []*world.Node
	for _, n := range nodes {
		if n.Mark != nil && (n.Mark.Reason == string(Surplus) || ends && n.Mark.Reason == string(JoinTimeout)) && len(out) < beyond {
			out = append(out, n)
		}
	}
	for len(out) < beyond {
		nodes = slices.DeleteFunc(nodes, func(n *world.Node) bool { return slices.Contains(out, n) })
		if len(nodes) == 0 {
			break
		}
		out = append(out, d.spare(run, nodes))
	}
	return out
}

// spare is the machine that is missed least. One that nobody counts on costs
// nothing: where the pool has just as many available nodes as it must, no other
// could go, and a run that was aborted would wait for as long as the doctor does
// not pass it. But what a run that goes on has launched just now is given its time.
// Otherwise the fullest zone gives its newest. What is protected, or was not to be
// emptied a short while ago, goes last.
func (d *decision) spare(run *v1alpha1.CycleStatus, nodes []*world.Node) *world.Node {
	idle, ending := []*world.Node(nil), d.ends(run) != nil
	for _, n := range nodes {
		created := n.Created()
		had := !created.IsZero() && d.s.Now.Sub(created) >= d.joinTimeout()
		if (coming(n) || broken(n) || d.lacks[n] != "") && (ending || had) && !d.heldUp(n) {
			idle = append(idle, n)
		}
	}
	from := idle
	for _, list := range [][]*world.Node{d.fullest(nodes), nodes} {
		if len(from) == 0 {
			from = slices.DeleteFunc(slices.Clone(list), d.heldUp)
		}
	}
	if len(from) == 0 {
		from = d.fullest(nodes)
	}
	return slices.MaxFunc(from, func(a, b *world.Node) int {
		return cmp.Or(a.Created().Compare(b.Created()), cmp.Compare(b.ID(), a.ID()))
	})
}

// heldUp is whether the node would not be taken now, or not become empty.
func (d *decision) heldUp(n *world.Node) bool {
	until, _ := d.leftAlone(n)
	return d.protected(n) || d.s.Now.Before(until)
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

// lopsided is why a run whose work is done grows its pool once more.
func (d *decision) lopsided() string {
	zones, most, least := d.population(d.machines())
	var parts []string
	for _, z := range d.pool.Cloud.Zones() {
		parts = append(parts, fmt.Sprintf("%d in %s", zones[z], z))
	}
	return fmt.Sprintf("nothing is left to be replaced, and the zones are %d apart (%s): the fullest gives a node when this one is there", most-least, strings.Join(parts, ", "))
}

// uneven is whether a run that has nothing left to replace should ask for one
// more node, so that the fullest zone can give one: the cloud, which chooses
// where new nodes land, has left the zones further apart than they need be. It
// asks once for each zone at most: a cloud that goes on landing nodes in the
// same zone is not asked for ever. A run for single nodes moves no others, and OKE's
// own cycling makes each new node where the old one stood.
func (d *decision) uneven(run *v1alpha1.CycleStatus, left int) bool {
	zones := len(d.pool.Cloud.Zones())
	if left > 0 || zones < 2 || int(run.Rebalanced) >= zones || single(run) || strategyOf(nil, run) == v1alpha1.StrategyDelegate || d.ends(run) != nil {
		return false
	}
	_, most, least := d.population(d.machines())
	return most-least >= 2 && d.pool.Cloud.Size == int(run.Desired) && d.quiet()
}
