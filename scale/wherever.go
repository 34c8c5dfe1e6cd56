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
// go again, and so for ever. So they are put where the scheduler puts them by default, on
// the emptiest node, and then one after the other wherever else it fits, as long as no
// more than maxMoves pods are moved in mind.
func (h *headroom) wherever(moves []vacate.Move, among []string) (lost cloudprovider.Zone, pod *corev1.Pod, err error) {
	sim := h.d.sim
	sim.Fork()
	defer sim.Revert()
	for _, m := range moves {
		if err := sim.RemovePod(m.Pod, m.To); err != nil {
			return "", nil, err
		}
	}
	homes, used := make([]string, len(moves)), h.usedOf(among)
	for i, m := range moves {
		homes[i] = m.To
		if places := h.emptiest(m.Pod, among, used); len(places) > 0 {
			homes[i] = places[0]
		}
		want, _ := vacate.Requests(m.Pod)
		used[homes[i]] = used[homes[i]].Plus(want)
		if err := sim.AddPod(m.Pod, homes[i]); err != nil {
			return "", nil, err
		}
	}
	if lost, pod := h.loss(); pod != nil {
		return lost, pod, nil
	}
	for i, m := range moves {
		if h.moved > maxMoves {
			break
		}
		if lost, pod, err := h.anywhere(m.Pod, homes[i], h.emptiest(m.Pod, among, used)); pod != nil || err != nil {
			return lost, pod, err
		}
	}
	return "", nil, nil
}

// anywhere is loss with one pod on each of the places, one after the other.
func (h *headroom) anywhere(pod *corev1.Pod, home string, places []string) (cloudprovider.Zone, *corev1.Pod, error) {
	sim := h.d.sim
	sim.Fork()
	defer sim.Revert()
	if err := sim.RemovePod(pod, home); err != nil {
		return "", nil, err
	}
	for _, name := range places {
		if h.moved > maxMoves {
			break
		}
		sim.Fork()
		err := sim.AddPod(pod, name)
		lost, stranded := h.loss()
		sim.Revert()
		if stranded != nil || err != nil {
			return lost, stranded, err
		}
	}
	return "", nil, nil
}

// emptiest are the nodes that the pod fits, the least used first.
func (h *headroom) emptiest(pod *corev1.Pod, among []string, used map[string]vacate.Amount) []string {
	free, load := unbound(pod), map[string]float64{}
	var out []string
	for _, name := range among {
		if _, ok := h.d.sim.Fits(free, name); ok {
			load[name] = vacate.Load(h.d.sim.Node(name), used[name])
			out = append(out, name)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(load[a], load[b]) })
	return out
}

// usedOf is what the pods on each node ask for.
func (h *headroom) usedOf(nodes []string) map[string]vacate.Amount {
	out := map[string]vacate.Amount{}
	for _, name := range nodes {
		for _, p := range h.d.sim.Pods(name) {
			want, _ := vacate.Requests(p)
			out[name] = out[name].Plus(want)
		}
	}
	return out
}
