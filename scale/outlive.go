package scale

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/scale/vacate"
)

// outlive grows the pools with zone-loss headroom until the pods of any one
// zone would fit in the others: three zones that run fifty nodes' worth of pods
// each have seventy-five. It counts all pools with headroom together, as
// scale-down does, by sums first; what the sums allow and pods would not do, for
// their sizes or rules, is found by moving the pods of each zone in mind.
func (d *decision) outlive() {
	var pools []*pool
	for _, p := range d.pools {
		if p.spec != nil && p.spec.ZoneLossHeadroom && len(p.places) > 0 {
			pools = append(pools, p)
		}
	}
	h := &headroom{d: d, pools: pools}
	if len(h.zones()) < 2 {
		return
	}
	h.count()
	for range d.p.MaxGrowth {
		lost, why := h.short()
		if lost == "" {
			return
		}
		if !h.grow(lost, why) {
			d.lacking = fmt.Sprintf("room for the loss of zone %s is lacking", lost)
			return // what stands in the way is said of the pools
		}
	}
}

// headroom is a search for nodes that make good the loss of a zone.
type headroom struct {
	d     *decision
	pools []*pool
	// next is the pool whose turn it is.
	next int
	// have is what the nodes of each zone have for pods, need what all pods on
	// them ask for.
	have map[cloudprovider.Zone]vacate.Amount
	need vacate.Amount
	// moved counts pods moved in mind: it bounds the time of a look.
	moved int
}

// maxMoves bounds the pods that are moved in mind; beyond it sums must do.
const maxMoves = 4000

// nodesOf are the names of the nodes of the pools with headroom in the
// simulation, by zone: those there are, are coming, and are planned.
func (h *headroom) nodesOf() map[cloudprovider.Zone][]string {
	out := map[cloudprovider.Zone][]string{}
	standing := map[string]bool{}
	for _, name := range append(slices.Clone(h.d.there), h.d.coming...) {
		standing[name] = true
	}
	for _, p := range h.pools {
		for _, n := range p.Nodes {
			if standing[n.Name()] {
				out[n.Zone()] = append(out[n.Zone()], n.Name())
			}
		}
		for _, n := range h.d.grown[p] {
			out[n.zone] = append(out[n.zone], n.name)
		}
	}
	return out
}

func (h *headroom) zones() []cloudprovider.Zone {
	var out []cloudprovider.Zone
	for _, p := range h.pools {
		for _, z := range p.places {
			if !slices.Contains(out, z) {
				out = append(out, z)
			}
		}
	}
	slices.Sort(out)
	return out
}

// count adds up what there is.
func (h *headroom) count() {
	h.have = map[cloudprovider.Zone]vacate.Amount{}
	for zone, names := range h.nodesOf() {
		for _, name := range names {
			h.add(zone, name)
		}
	}
}

func (h *headroom) add(zone cloudprovider.Zone, name string) {
	h.have[zone] = h.have[zone].Plus(vacate.Room(h.d.sim.Node(name)))
	for _, pod := range h.d.sim.Pods(name) {
		want, _ := vacate.Requests(pod)
		if ofDaemonSet(pod) || mirror(pod) {
			h.have[zone] = h.have[zone].Minus(want)
		} else {
			h.need = h.need.Plus(want)
		}
	}
}

// short is a zone whose pods would not fit in the others, and what would be
// missing; "" when there is none.
func (h *headroom) short() (cloudprovider.Zone, string) {
	for _, lost := range h.zones() {
		var left vacate.Amount
		for zone, a := range h.have {
			if zone != lost {
				left = left.Plus(a)
			}
		}
		if !h.need.Within(left) {
			return lost, "the requests of all pods are more than the other zones have"
		}
	}
	lost, pod := h.loss()
	if pod == nil {
		return "", ""
	}
	return lost, podName(pod) + " would find no other node"
}

// homeless is a pod of the zone that would fit no node elsewhere although an
// empty new one there would do; nil when there is none. A pod that may run in
// this zone alone is lost with it, whatever stands elsewhere.
func (h *headroom) homeless(lost cloudprovider.Zone, at map[cloudprovider.Zone][]string) *corev1.Pod {
	d := h.d
	d.sim.Fork()
	defer d.sim.Revert()
	type mover struct {
		*corev1.Pod
		cpu  int64
		name string
	}
	var pods []mover
	for _, name := range at[lost] {
		for _, pod := range d.sim.Pods(name) {
			if !ofDaemonSet(pod) && !mirror(pod) {
				want, _ := vacate.Requests(pod)
				pods = append(pods, mover{pod, want.CPU, podName(pod)})
			}
		}
	}
	if h.moved += len(pods); h.moved > maxMoves {
		return nil
	}
	for _, name := range at[lost] {
		d.sim.RemoveNode(name)
	}
	slices.SortStableFunc(pods, func(a, b mover) int {
		return cmp.Or(cmp.Compare(b.cpu, a.cpu), strings.Compare(a.name, b.name))
	})
	var to []string
	for _, zone := range h.zones() {
		if zone != lost {
			to = append(to, at[zone]...)
		}
	}
	for _, pod := range pods {
		if node, _ := d.sim.Schedule(unbound(pod.Pod), to); node == "" && h.mayMove(pod.Pod, lost) {
			return pod.Pod
		}
	}
	return nil
}

// mayMove is whether the pod would fit an empty new node in another zone.
func (h *headroom) mayMove(pod *corev1.Pod, lost cloudprovider.Zone) bool {
	d := h.d
	d.sim.Fork()
	defer d.sim.Revert()
	for _, p := range h.pools {
		for _, zone := range p.places {
			if zone == lost {
				continue
			}
			if _, ok := d.sim.Fits(unbound(pod), d.addNew(p, p.template(zone), "")); ok {
				return true
			}
		}
	}
	return false
}

// grow adds one node, to the pools in turn.
func (h *headroom) grow(lost cloudprovider.Zone, why string) bool {
	for range h.pools {
		p := h.pools[h.next%len(h.pools)]
		h.next++
		if p.room() == 0 {
			continue
		}
		n := h.d.open(p)
		h.d.raise(p, []newNode{n}, nil)
		h.add(n.zone, n.name)
		h.d.reserve(p, fmt.Sprintf("without zone %s %s", lost, why))
		return true
	}
	return false
}

// reserve writes down that a growth is, at least in part, headroom.
func (d *decision) reserve(p *pool, why string) {
	for i := range d.plan.Grows {
		if g := &d.plan.Grows[i]; g.Pool == p.Name {
			g.Headroom++
			if g.Message == "" {
				g.Message = why
			}
		}
	}
}
