package scale

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/scale/vacate"
)

// loss is a zone that would leave a pod homeless, and the pod; no pod when there is none.
func (h *headroom) loss() (cloudprovider.Zone, *corev1.Pod) {
	at := h.nodesOf()
	for _, lost := range h.zones() {
		if pod := h.homeless(lost, at); pod != nil {
			return lost, pod
		}
	}
	return "", nil
}

// wherever is loss with the moved pods elsewhere: a moved pod goes where the scheduler
// will have it and not where this look has put it, and what was proved for one place may
// be false for another. The pool would then grow by the node that has just gone, let that
// go again, and so for ever. So the pods, which are nowhere yet, are put
//
//   - on the emptiest nodes of the pools with headroom: that is where the scheduler puts
//     them by default while no other pool has emptier ones, and a pod that goes to another
//     pool is one fewer to find a home for, which nobody may count on;
//   - where this look has them;
//   - on the emptiest nodes of all;
//   - and as at first, but one after the other wherever else in those pools it fits,
//
// as long as no more than maxMoves pods are moved in mind.
func (h *headroom) wherever(moves []vacate.Move, among []*standing) (lost cloudprovider.Zone, pod *corev1.Pod, err error) {
	if len(moves) == 0 {
		lost, pod = h.loss()
		return lost, pod, nil
	}
	first := make([]string, len(moves))
	inside, outside := h.parted(among)
	b := h.beds(slices.Concat(inside, outside), len(inside))
	lost, pod, err = h.with(moves, func(i int) string {
		first[i] = b.take(moves[i].Pod)
		return first[i]
	})
	if pod == nil && err == nil {
		lost, pod, err = h.with(moves, func(i int) string { return moves[i].To })
	}
	if pod == nil && err == nil && len(outside) > 0 {
		b := h.beds(among, len(among))
		lost, pod, err = h.with(moves, func(i int) string { return b.take(moves[i].Pod) })
	}
	for i := 0; i < len(moves) && pod == nil && err == nil && h.moved <= maxMoves; i++ {
		lost, pod, err = h.anywhere(moves, first, i, inside)
	}
	return lost, pod, err
}

// with is loss with each of the pods at its place, one after the other; those that
// have none wait.
func (h *headroom) with(moves []vacate.Move, place func(int) string) (cloudprovider.Zone, *corev1.Pod, error) {
	sim := h.d.sim
	sim.Fork()
	defer sim.Revert()
	for i, m := range moves {
		if to := place(i); to != "" {
			if err := sim.AddPod(m.Pod, to); err != nil {
				return "", nil, err
			}
		}
	}
	lost, pod := h.loss()
	return lost, pod, nil
}

// anywhere is loss with all pods but one at home, and that one on each of the nodes it
// fits, one after the other.
func (h *headroom) anywhere(moves []vacate.Move, homes []string, one int, among []*standing) (lost cloudprovider.Zone, pod *corev1.Pod, err error) {
	sim := h.d.sim
	sim.Fork()
	defer sim.Revert()
	for i, m := range moves {
		if i != one && homes[i] != "" {
			if err := sim.AddPod(m.Pod, homes[i]); err != nil {
				return "", nil, err
			}
		}
	}
	mover := moves[one : one+1]
	free := unbound(mover[0].Pod)
	for _, x := range among {
		if h.moved > maxMoves {
			break
		}
		name := x.node.Name()
		if _, ok := sim.Fits(free, name); !ok || name == homes[one] {
			continue
		}
		if lost, pod, err = h.with(mover, func(int) string { return name }); pod != nil || err != nil {
			return lost, pod, err
		}
	}
	return "", nil, nil
}

// beds are nodes in the order in which the scheduler fills them: the least used first.
type beds struct {
	h    *headroom
	list []bed
}

type bed struct {
	name   string
	object *corev1.Node
	used   vacate.Amount
	load   float64 // and 2 more for a node that comes after all others
}

// beds puts the first n of the nodes before all others.
func (h *headroom) beds(among []*standing, n int) *beds {
	b := &beds{h: h, list: make([]bed, 0, len(among))}
	for i, x := range among {
		load := vacate.Load(x.object, x.all)
		if i >= n {
			load += 2
		}
		b.list = append(b.list, bed{x.node.Name(), x.object, x.all, load})
	}
	slices.SortStableFunc(b.list, func(x, y bed) int { return cmp.Compare(x.load, y.load) })
	return b
}

// take is the first node that the pod fits, which then has it; "" when there is none.
func (b *beds) take(pod *corev1.Pod) string {
	free := unbound(pod)
	at := slices.IndexFunc(b.list, func(x bed) bool {
		_, ok := b.h.d.sim.Fits(free, x.name)
		return ok
	})
	if at < 0 {
		return ""
	}
	x := b.list[at]
	want, _ := vacate.Requests(pod)
	was := vacate.Load(x.object, x.used)
	x.used = x.used.Plus(want)
	x.load += vacate.Load(x.object, x.used) - was
	for ; at+1 < len(b.list) && b.list[at+1].load <= x.load; at++ {
		b.list[at] = b.list[at+1]
	}
	b.list[at] = x
	return x.name
}
