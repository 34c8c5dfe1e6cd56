package scale

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// A machine takes minutes to join, and a look is made every few seconds. What was
// asked for by one look must be enough for the next:
//
//	look 1   pods ─► patterns ─► 34 nodes, packed tightly    ─► Resize
//	look 2   pods ─► first fit ─► 34 nodes are coming, 29 pods are left over ─► Resize?
//
// The second look sees the nodes coming and not what they were bought for, and no
// simple rule packs as tightly as the search that chose them. Nobody remembers it:
// what one process remembers the next one does not know. It is found out again. A
// look that would ask for more while nodes are on their way rehearses those that
// asked for these, in the world as it was: the same pods before the same pools are
// put together on the same nodes. That is tried, not trusted: a pod is put only
// where the scheduler's rules let it, and what comes out counts if it is better.

// berth is a node on its way, or one that has just come and is still empty, and the
// pods that it was found good for.
type berth struct {
	place
	pods []types.UID
}

// came are the pods that there are in a rehearsal.
func (d *decision) came(pods []*corev1.Pod) []*corev1.Pod {
	asOf := d.rehearsal.asOf
	if asOf.IsZero() {
		return pods
	}
	var out []*corev1.Pod
	for _, pod := range pods {
		if !d.s.Ours(pod.CreationTimestamp.Time).After(asOf) {
			out = append(out, pod)
		}
	}
	return out
}

// purchase is which pods are for which nodes on their way, those that a rehearsal
// would buy and those before them.
func (d *decision) purchase() []berth {
	d.award()
	var out []berth
	for _, name := range d.quay {
		if b := d.berths[name]; len(b.pods) > 0 {
			out = append(out, *b)
		}
	}
	return out
}

// absent is whether a rehearsal leaves a machine on its way out; the pool is
// smaller by it then. n is nil when the cloud does not list it yet.
func (d *decision) absent(p *pool, n *world.Node) bool {
	made := d.s.Now
	if n != nil && !n.Created().IsZero() {
		made = n.Created()
	}
	r := d.rehearsal
	since := !r.asOf.IsZero() && !made.Before(r.asOf)
	if !since {
		d.made = append(d.made, made)
	}
	if !since && !r.capped {
		return false
	}
	if since != r.capped { // what it may buy again
		p.spare++
	}
	p.absent++
	p.base, p.size = max(0, p.base-1), max(0, p.size-1)
	if n != nil {
		p.zones[n.Zone()]--
	}
	d.purse.spent()
	return true
}

// place is what tells nodes on their way apart: their names come later.
type place struct {
	pool string
	zone cloudprovider.Zone
}

// await notes where a node on its way belongs.
func (d *decision) await(name string, p *pool, zone cloudprovider.Zone) {
	if d.berths == nil {
		d.berths = map[string]*berth{}
	}
	d.berths[name] = &berth{place: place{p.Name, zone}}
	d.quay = append(d.quay, name)
}

// board notes that the pod is to run on a node on its way.
func (d *decision) board(w *waiting, node string) {
	if b := d.berths[node]; b != nil && w.pod.UID != "" {
		b.pods = append(b.pods, w.pod.UID)
	}
}

// takeUp puts pods on these nodes as a rehearsal has put them, and returns the
// others. Which of several like nodes has whose pods does not matter.
func (d *decision) takeUp(pods []*waiting, among []string, h Help) []*waiting {
	if len(d.bought) == 0 || len(among) == 0 {
		return pods
	}
	left, taken := make(map[types.UID]*waiting, len(pods)), map[*waiting]bool{}
	for _, w := range pods {
		left[w.pod.UID] = w
	}
	for _, name := range among {
		var crew []*waiting
		for _, id := range d.match(d.berths[name]) {
			if w := left[id]; w != nil {
				crew = append(crew, w)
				delete(left, id)
			}
		}
		slices.SortFunc(crew, waitingOrder)
		d.put(d.rowOf(name), crew, func(w *waiting, node string) {
			d.help(w, h, node)
			taken[w] = true
		})
	}
	return slices.DeleteFunc(pods, func(w *waiting) bool { return taken[w] })
}

// match is the pods of a rehearsed berth of the same pool and zone, which nobody is
// matched with again.
func (d *decision) match(now *berth) []types.UID {
	at := slices.IndexFunc(d.bought, func(b berth) bool { return now != nil && b.place == now.place })
	if at < 0 {
		return nil
	}
	pods := d.bought[at].pods
	d.bought = slices.Delete(d.bought, at, at+1)
	return pods
}
