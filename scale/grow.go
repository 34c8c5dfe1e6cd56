package scale

import (
	"slices"

	"github.com/tidemill/tidemill/cloudprovider"
)

// newNode is a simulated node of a pool that is to grow.
type newNode struct {
	name string
	zone cloudprovider.Zone
}

// option is what one pool could do for the pods that wait.
type option struct {
	pool  *pool
	nodes []newNode
	pods  []*waiting
	waste float64
}

// grow gives nodes to the pods that no node helps: what is cheapest for all of
// them together first, where the policy chooses so, then the pool that the
// expanders pick, then the next for those it left, each pool once in a round.
// Pods that spread over pools of a zone each take turns: a round gives each zone a
// node, and all of them are filled before the next. Pools with accelerators come
// in first for pods that ask for one, and for the others only when nothing else
// helps them.
func (d *decision) grow(pods []*waiting) []*waiting {
	pods = d.accelerate(pods)
	for _, lastResort := range []bool{false, true} {
		if len(pods) > 0 {
			pods = d.mix(pods, lastResort)
		}
		for before := -1; len(pods) > 0 && len(pods) != before; {
			before = len(pods)
			pods = d.round(pods, lastResort)
			// What opened a node may have left room for pods that it was not offered.
			pods = d.fillGrowth(pods)
		}
	}
	return pods
}

// accelerate grows pools for the pods that ask for accelerators, and fills what
// these leave of their nodes with others: cores that stand beside a GPU cost
// nothing more.
func (d *decision) accelerate(pods []*waiting) []*waiting {
	var asking, others []*waiting
	for _, w := range pods {
		if w.accelerated() {
			asking = append(asking, w)
		} else {
			others = append(others, w)
		}
	}
	if len(asking) == 0 || len(others) == 0 {
		return pods
	}
	pods = append(others, d.round(d.mix(asking, false), false)...)
	slices.SortFunc(pods, waitingOrder)
	return d.fillGrowth(pods)
}

// round lets each pool grow once.
func (d *decision) round(pods []*waiting, lastResort bool) []*waiting {
	done := map[*pool]bool{}
	for len(pods) > 0 {
		best := d.best(pods, lastResort, done)
		if best == nil {
			break
		}
		p := best.pool
		done[p] = true
		p.atMost = p.size + d.balance(best)
		if o := d.pack(p, offered(p, pods, lastResort)); len(o.pods) > 0 {
			pods = d.commit(o, pods)
		}
		p.atMost = -1
	}
	return pods
}

// best is the option that the expanders pick.
func (d *decision) best(pods []*waiting, lastResort bool, done map[*pool]bool) *option {
	var options []*option
	for _, p := range d.pools {
		if done[p] || p.room() == 0 {
			continue
		}
		d.sim.Fork()
		o := d.pack(p, offered(p, pods, lastResort))
		d.sim.Revert()
		for _, n := range o.nodes {
			p.zones[n.zone]--
		}
		if len(o.pods) > 0 && len(o.nodes) > 0 {
			options = append(options, o)
		}
	}
	return d.pick(options)
}

// offered is the pods that a pool is offered.
func offered(p *pool, pods []*waiting, lastResort bool) []*waiting {
	if lastResort || !gpus(p.template("").Status.Allocatable) {
		return pods
	}
	var out []*waiting
	for _, w := range pods {
		if w.accelerated() {
			out = append(out, w)
		}
	}
	return out
}

// open adds the node that the cloud would make next.
func (d *decision) open(p *pool) newNode {
	zone := p.nextZone()
	p.zones[zone]++
	return newNode{d.addNew(p, p.template(zone), ""), zone}
}

// usage is what the nodes have and what is asked of them.
func (d *decision) usage(nodes []newNode) usage {
	have, want := d.sim.Usage(namesOf(nodes))
	return usage{have, want}
}

func namesOf(nodes []newNode) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.name
	}
	return names
}

// commit makes an option part of the plan and returns the pods it leaves.
func (d *decision) commit(o *option, pods []*waiting) []*waiting {
	d.raise(o.pool, o.nodes, o.pods)
	var left []*waiting
	for _, w := range pods {
		if !w.helped {
			left = append(left, w)
		}
	}
	return left
}

// fillGrowth puts pods on nodes that this plan adds anyway, and those that mind
// where others are on any node: what was added may be what they waited for.
func (d *decision) fillGrowth(pods []*waiting) []*waiting {
	var names []string
	for _, p := range d.pools {
		names = append(names, namesOf(d.grown[p])...)
	}
	if len(names) == 0 || len(pods) == 0 {
		return pods
	}
	pods = d.put(d.sim.Row(names), pods, d.promise)
	var others, minding []*waiting
	for _, w := range pods {
		if w.class.Plain() {
			others = append(others, w)
		} else {
			minding = append(minding, w)
		}
	}
	if len(minding) == 0 {
		return pods
	}
	names = slices.Concat(d.there, d.coming, names)
	left := append(others, d.putAll(d.sim.Row(names), minding, d.promise)...)
	slices.SortFunc(left, waitingOrder)
	return left
}

// fillToMin raises pools that are smaller than they may be.
func (d *decision) fillToMin(pods []*waiting) []*waiting {
	for _, p := range d.pools {
		if p.spec == nil {
			continue
		}
		var nodes []newNode
		for range min(int(p.spec.MinSize)-p.base, p.room()) {
			nodes = append(nodes, d.open(p))
		}
		if len(nodes) > 0 {
			d.raise(p, nodes, nil)
		}
	}
	return d.fillGrowth(pods)
}

// raise writes growth into the plan. Which pods it is for is written when all is
// settled.
func (d *decision) raise(p *pool, nodes []newNode, pods []*waiting) {
	var g *Grow
	for i := range d.plan.Grows {
		if d.plan.Grows[i].Pool == p.Name {
			g = &d.plan.Grows[i]
		}
	}
	if g == nil {
		d.plan.Grows = append(d.plan.Grows, Grow{Pool: p.Name, ID: p.Cloud.ID, From: p.base, Cycle: p.Run() != nil, pool: p.Pool})
		g = &d.plan.Grows[len(d.plan.Grows)-1]
	}
	d.grown[p] = append(d.grown[p], nodes...)
	p.size += len(nodes)
	d.purse.spent()
	g.To = p.size
	for _, n := range nodes {
		d.owner[n.name] = p
		d.await(n.name, p, n.zone)
	}
	for _, w := range pods {
		d.promise(w, w.node)
	}
}
