package scale

import (
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
// expanders pick, then the next for those it left, each pool once. Pools with
// accelerators come in first for pods that ask for one, and for the others only
// when nothing else helps them.
func (d *decision) grow(pods []*waiting) []*waiting {
	for _, lastResort := range []bool{false, true} {
		if len(pods) > 0 {
			pods = d.mix(pods, lastResort)
		}
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
		// What opened a node may have left room for pods that it was not offered.
		for _, p := range d.pools {
			pods = d.fillGrowth(p, pods)
		}
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
		if gpus(w.want) {
			out = append(out, w)
		}
	}
	return out
}

// pack puts as many of the pods as it can on new nodes of the pool, each on the
// first that it fits. The nodes stay in the simulation.
func (d *decision) pack(p *pool, pods []*waiting) *option {
	o := &option{pool: p}
	used := 0 // nodes up to the last with a pod; those after it are spare
	var names []string
	for _, w := range pods {
		node, _ := d.sim.Schedule(w.pod, names)
		// A pod may need another zone than the one whose turn it is. One spare in
		// each zone is tried; the machines before it in turn come with it.
		for node == "" && len(o.nodes)-used < len(p.Cloud.Zones()) && len(o.nodes) < p.room() {
			n := d.open(p)
			o.nodes, names = append(o.nodes, n), append(names, n.name)
			node, _ = d.sim.Schedule(w.pod, []string{n.name})
		}
		if node == "" {
			continue
		}
		o.pods = append(o.pods, w)
		for i, n := range o.nodes[used:] {
			if n.name == node {
				used += i + 1
				break
			}
		}
	}
	for _, n := range o.nodes[used:] {
		d.sim.RemoveNode(n.name)
		p.zones[n.zone]--
	}
	o.nodes = o.nodes[:used]
	o.waste = d.usage(o.nodes).waste()
	return o
}

// open adds the node that the cloud would make next.
func (d *decision) open(p *pool) newNode {
	zone := p.nextZone()
	p.zones[zone]++
	return newNode{d.addNew(p, p.template(zone), ""), zone}
}

func (d *decision) usage(nodes []newNode) usage {
	u := newUsage()
	for _, n := range nodes {
		u.add(d.sim.Node(n.name), d.sim.Pods(n.name))
	}
	return u
}

// commit makes an option part of the plan and returns the pods it leaves.
func (d *decision) commit(o *option, pods []*waiting) []*waiting {
	d.raise(o.pool, o.nodes, o.pods)
	helped := map[*waiting]bool{}
	for _, w := range o.pods {
		helped[w] = true
	}
	var left []*waiting
	for _, w := range pods {
		if !helped[w] {
			left = append(left, w)
		}
	}
	return left
}

// fillGrowth puts pods on nodes that this plan adds anyway.
func (d *decision) fillGrowth(p *pool, pods []*waiting) []*waiting {
	if len(d.grown[p]) == 0 {
		return pods
	}
	var names []string
	for _, n := range d.grown[p] {
		names = append(names, n.name)
	}
	var left, placed []*waiting
	for _, w := range pods {
		if node, _ := d.sim.Schedule(w.pod, names); node != "" {
			placed = append(placed, w)
		} else {
			left = append(left, w)
		}
	}
	if len(placed) > 0 {
		d.raise(p, nil, placed)
	}
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
			pods = d.fillGrowth(p, pods)
		}
	}
	return pods
}

// raise writes growth into the plan.
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
	g.To, g.Waste = p.size, d.usage(d.grown[p]).idle()
	for _, w := range pods {
		g.Pods = append(g.Pods, w.name)
		g.pods = append(g.pods, w.pod)
		d.help(w, HelpGrowth, p.Name)
	}
}
