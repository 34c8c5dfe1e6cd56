package scale

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/fit"
)

// rehearsal is a decision in an earlier world; the zero value is none.
type rehearsal struct {
	// asOf is when it plays: machines that were made since are not there, and pods
	// that were made since neither. Zero is now.
	asOf time.Time
	// capped leaves out all nodes on their way, and lets a pool have as many again
	// and no more.
	capped bool
}

// recall is growth, by what is known of a look.
type recall func(r rehearsal, bought []berth) (*decision, []*waiting, error)

// remember is growth that knows what the nodes on their way are for.
func remember(s *world.Snapshot, p Policy, m *Memo, leave map[string]string) (*decision, []*waiting, error) {
	var on *scenery
	grow := recall(func(r rehearsal, bought []berth) (*decision, []*waiting, error) {
		if r != (rehearsal{}) && on == nil {
			var err error
			if on, err = newScenery(s, p, m); err != nil {
				return nil, nil, err
			}
		}
		at := on
		if r == (rehearsal{}) { // it may be what is done: the rest of the look goes on from it
			at = nil
		}
		return growth(s, p, m, leave, at, func(d *decision) { d.rehearsal, d.bought = r, slices.Clone(bought) })
	})
	d, left, err := grow(rehearsal{}, nil)
	if err != nil || !d.forgetful() {
		return d, left, err
	}
	if m == nil { // the pods on nodes need not be read again each time
		m = NewMemo()
		m.begin()
	}
	var bought []berth
	for _, asOf := range d.pasts() {
		past, unhelped, err := grow(rehearsal{asOf: asOf}, nil)
		if err == nil {
			past, _, err = grow.better(past, unhelped, asOf, bought)
		}
		if err != nil {
			return nil, nil, err
		}
		bought = past.purchase()
	}
	return grow.better(d, left, time.Time{}, bought)
}

// better is a decision, or the same look with what was bought for whom, or with
// the nodes on their way filled anew by the search that chooses new ones, if that
// is better.
func (grow recall) better(d *decision, left []*waiting, asOf time.Time, bought []berth) (*decision, []*waiting, error) {
	for _, capped := range []bool{false, true} {
		if !d.forgetful() || capped && !asOf.IsZero() && len(bought) > 0 {
			break // in a rehearsal what is known of earlier ones is enough: in 800 random runs the search added nothing to it
		}
		if capped {
			act, _, err := grow(rehearsal{asOf, true}, nil)
			if err != nil {
				return nil, nil, err
			}
			bought = act.purchase()
		}
		if len(bought) == 0 {
			continue
		}
		other, rest, err := grow(rehearsal{asOf: asOf}, bought)
		if err != nil {
			return nil, nil, err
		}
		if other.better(rest, d, left) {
			d, left = other, rest
		}
	}
	return d, left, nil
}

// forgetful is whether nodes are asked for by pods that others may be on their way
// for: pods that were there before one of these was made.
func (d *decision) forgetful() bool {
	if len(d.owner) == 0 || len(d.made) == 0 {
		return false
	}
	last := slices.MaxFunc(d.made, time.Time.Compare)
	return slices.ContainsFunc(d.promised, func(w *waiting) bool {
		return d.owner[w.node] != nil && !d.s.Ours(w.pod.CreationTimestamp.Time).After(last)
	})
}

// maxPasts bounds how many looks are rehearsed, the last ones, and maxRehearsed how
// many pods they have in all: what is not rehearsed is bought twice at worst, and
// what takes ten looks' time is late for all.
const (
	maxPasts     = 4
	maxRehearsed = 20_000
)

// pasts are when looks asked for the nodes on their way, as the times of these and
// of the pods that wait tell: pods came, machines were made, pods came, machines
// were made.
func (d *decision) pasts() []time.Time {
	machines := slices.SortedFunc(slices.Values(d.made), time.Time.Compare)
	var pods, out []time.Time
	for _, pod := range d.s.Pending {
		pods = append(pods, d.s.Ours(pod.CreationTimestamp.Time))
	}
	slices.SortFunc(pods, time.Time.Compare)
	var seen []int
	for came := 0; len(machines) > 0 && len(pods) > 0; {
		n := 0
		for n < len(pods) && !pods[n].After(machines[0]) {
			n++
		}
		if came += n; n > 0 {
			out, seen = append(out, pods[n-1]), append(seen, came)
		}
		for pods = pods[n:]; len(machines) > 0 && (len(pods) == 0 || machines[0].Before(pods[0])); {
			machines = machines[1:]
		}
	}
	first, all := len(out), 0
	for first > 0 && len(out)-first < maxPasts && all+seen[first-1] <= maxRehearsed {
		first--
		all += seen[first]
	}
	return out[first:]
}

// A scenery is what the rehearsals of one look have in common, found out once: the
// nodes that none of them leaves out, with all that runs there, and what each pod
// that waits is like. Whatever a rehearsal does there is undone.
type scenery struct {
	sim     *fit.Cluster
	classes map[*corev1.Pod]*fit.Class
}

func newScenery(s *world.Snapshot, p Policy, m *Memo) (*scenery, error) {
	d, err := newDecision(s, p, m, nil, nil)
	if err != nil {
		return nil, err
	}
	for _, p := range d.pools {
		for _, n := range p.Nodes {
			if n.Object != nil && n.Stage() == world.StageAvailable && !idle(n.Pods) && !shedding(n.Object) && !d.unequipped(p, n) {
				d.real(n, n.Object)
			}
		}
	}
	for _, n := range s.Unmanaged {
		d.real(n, n.Object)
	}
	return &scenery{sim: d.sim, classes: make(map[*corev1.Pod]*fit.Class, len(s.Pending))}, nil
}

// classOf is the class of a pod that waits.
func (d *decision) classOf(pod *corev1.Pod) *fit.Class {
	if d.scenery == nil {
		return d.sim.Class(pod)
	}
	class := d.scenery.classes[pod]
	if class == nil || class.Stale() {
		class = d.sim.Class(pod)
		d.scenery.classes[pod] = class
	}
	return class
}
