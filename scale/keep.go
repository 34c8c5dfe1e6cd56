package scale

import (
	"fmt"

	"github.com/tidemill/tidemill/internal/world"
)

// keep gives back leaving nodes that are needed again, which is quicker and
// cheaper than growth, and returns the pods that they do not help. Only a node
// that nobody has begun to drain is given back.
func (d *decision) keep(pods []*waiting) []*waiting {
	for _, p := range d.pools {
		if d.s.CloudErr != nil || p.Cloud.Health.Err != nil || p.Run() != nil {
			continue // unknown, or the run's to decide
		}
		for _, n := range append([]*world.Node(nil), p.leaving...) {
			if !keepable(n) {
				continue
			}
			if why, message := d.mustKeep(p); why != "" {
				d.giveBack(p, n, Keep{Reason: why, Message: message})
				d.uncordon(n)
				pods = d.place(pods, []string{n.Name()}, HelpKept)
				continue
			}
			pods = d.keepFor(p, n, pods)
		}
	}
	return pods
}

func keepable(n *world.Node) bool {
	return n.Object != nil && n.Ready() && n.MarkErr == nil && n.Mark.DrainStarted == nil && n.Mark.Drained == nil
}

// mustKeep is why the pool's leaving nodes are kept whether pods wait or not.
func (d *decision) mustKeep(p *pool) (Reason, string) {
	switch {
	case p.spec == nil:
		return ScaleOff, "the Pool does not scale any more"
	case p.spec.Down != nil && p.spec.Down.Disabled:
		return ScaleDownOff, ""
	case p.base-len(p.leaving) < int(p.spec.MinSize):
		return BelowMin, fmt.Sprintf("%d of at least %d would be left", p.base-len(p.leaving), p.spec.MinSize)
	}
	return "", ""
}

// keepFor keeps the node if pods that wait fit it.
func (d *decision) keepFor(p *pool, n *world.Node, pods []*waiting) []*waiting {
	if len(pods) == 0 {
		return pods
	}
	d.sim.Fork()
	d.uncordon(n)
	var left, placed []*waiting
	for _, w := range pods {
		if node, _ := d.sim.Schedule(w.pod, []string{n.Name()}); node != "" {
			placed = append(placed, w)
		} else {
			left = append(left, w)
		}
	}
	if len(placed) == 0 {
		d.sim.Revert()
		return pods
	}
	d.sim.Commit()
	k := Keep{Reason: PodsNeedIt}
	for _, w := range placed {
		k.Pods = append(k.Pods, w.name)
		d.help(w, HelpKept, n.Name())
	}
	d.giveBack(p, n, k)
	return left
}

// uncordon makes the node take pods in the simulation.
func (d *decision) uncordon(n *world.Node) {
	d.sim.RemoveNode(n.Name())
	d.real(n, grownUp(n.Object, nil))
}

func (d *decision) giveBack(p *pool, n *world.Node, k Keep) {
	k.Node, k.Pool, k.node = n.Name(), p.Name, n
	d.plan.Keeps = append(d.plan.Keeps, k)
	d.there = append(d.there, n.Name())
	kept := p.leaving[:0:0]
	for _, other := range p.leaving {
		if other != n {
			kept = append(kept, other)
		}
	}
	p.leaving = kept
}
