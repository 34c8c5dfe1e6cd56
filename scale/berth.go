package scale

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/cloudprovider"
)

// A machine takes minutes to join, and a look is made every few seconds. What was
// asked for by one look must be enough for the next:
//
//	look 1   pods ─► patterns ─► 34 nodes, packed tightly    ─► Resize
//	look 2   pods ─► first fit ─► 34 nodes are coming, 29 pods are left over ─► Resize?
//
// The second look sees the nodes coming and not what they were bought for, and no
// simple rule packs as tightly as the search that chose them. So a look hands on
// which pods it put together on which kind of new node, and the next one tries
// that first. It is tried, not trusted: a pod is put only where the scheduler's
// rules let it, and whoever begins with nothing, after a restart or for a person
// who asks for a plan, packs anew and may ask for some nodes more.

// berth is a node on its way, or one that has just come and is still being filled,
// and the pods that it was found good for.
type berth struct {
	place
	pods []types.UID
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

// takeUp puts pods on these nodes as an earlier look has put them, and returns the
// others. Which of several like nodes has whose pods does not matter.
func (d *decision) takeUp(pods []*waiting, among []string, h Help) []*waiting {
	if len(d.earlier) == 0 || len(among) == 0 {
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

// match is the pods of an earlier look's berth of the same pool and zone, which
// nobody is matched with again.
func (d *decision) match(now *berth) []types.UID {
	at := slices.IndexFunc(d.earlier, func(b berth) bool { return now != nil && b.place == now.place })
	if at < 0 {
		return nil
	}
	pods := d.earlier[at].pods
	d.earlier = slices.Delete(d.earlier, at, at+1)
	return pods
}

// handOn is what the next look is told.
func (d *decision) handOn() {
	for _, name := range d.quay {
		if b := d.berths[name]; len(b.pods) > 0 {
			d.plan.berths = append(d.plan.berths, *b)
		}
	}
}
