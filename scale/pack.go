package scale

import (
	"slices"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/scale/fit"
)

// packing is pods on their way onto new nodes of one pool.
type packing struct {
	d    *decision
	o    *option
	row  *fit.Row
	room int // nodes that the pool may get
	used int // nodes up to the last with a pod; those after it are spare
	at   map[string]int
	last string // node that was found
}

// pack puts as many of the pods as it can on new nodes of the pool, each on the
// first that it fits. The nodes stay in the simulation.
func (d *decision) pack(p *pool, pods []*waiting) *option {
	k := &packing{d: d, o: &option{pool: p, pods: make([]*waiting, 0, len(pods))}, row: d.sim.Row(nil), room: p.room(), at: map[string]int{}}
	for len(pods) > 0 {
		run := d.run(pods)
		k.put(pods[:run])
		pods = pods[run:]
	}
	for _, n := range k.o.nodes[k.used:] {
		d.sim.RemoveNode(n.name)
		p.zones[n.zone]--
	}
	k.o.nodes = k.o.nodes[:k.used]
	k.o.waste = d.usage(k.o.nodes).waste()
	return k.o
}

// put packs like pods.
func (k *packing) put(like []*waiting) {
	pods := k.d.podsOf(like)
	for {
		n := k.d.putPods(k.row, like, pods, k.found)
		like, pods = like[n:], pods[n:]
		if len(like) == 0 || !k.open() {
			return
		}
	}
}

// open adds a node, and is false when the pool has no room or spare nodes enough. A pod
// may need another zone than the one whose turn it is: spares are tried until each zone
// has had one, and the machines before it in turn come with it.
func (k *packing) open() bool {
	p := k.o.pool
	if len(k.o.nodes) >= k.room || k.enough() {
		return false
	}
	n := k.d.open(p)
	k.at[n.name] = len(k.o.nodes)
	k.o.nodes = append(k.o.nodes, n)
	k.row.Extend(n.name)
	return true
}

// enough is whether the new nodes without a pod are enough: each zone has one, or there
// are as many as two for each. A zone that is ahead of the others has its turn when these
// have caught up, and a machine that is booted to that end alone costs money.
func (k *packing) enough() bool {
	spare := k.o.nodes[k.used:]
	if len(spare) >= k.o.pool.spares() {
		return true
	}
	return !slices.ContainsFunc(k.o.pool.places, func(z cloudprovider.Zone) bool {
		return !slices.ContainsFunc(spare, func(n newNode) bool { return n.zone == z })
	})
}

// spares is how many nodes are made at most so that it is one zone's turn.
func (p *pool) spares() int { return 2 * len(p.places) }

func (k *packing) found(w *waiting, node string) {
	w.node = node
	k.o.pods = append(k.o.pods, w)
	if node != k.last {
		k.last, k.used = node, max(k.used, k.at[node]+1)
	}
}
