package sim

import (
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/world"
)

// sample is which nodes of a pool could be counted on from then on, and how many were
// desired.
type sample struct {
	at      time.Time
	nodes   map[string]bool
	desired int
}

// unheard is for how long a run need not know that more nodes are desired: a cordon
// is a write to a Node, and nothing ties it to what scaling writes to the Pool meanwhile.
const unheard = 15 * time.Second

// left is how many nodes of the pool can be counted on, at some moment of the last
// minute: what happens to nodes the daemon may not know at once.
func (w *World) left(pool string) int {
	w.sample(time.Now())
	best := 0
	for _, s := range w.books.available[pool] {
		best = max(best, len(s.nodes))
	}
	return best
}

// spent takes a node that the daemon has just cordoned out of all these moments: its
// own deeds it knows.
func (w *World) spent(pool, node string) {
	for _, s := range w.books.available[pool] {
		delete(s.nodes, node)
	}
}

// floor checks, when a run has just cordoned a working node, to be replaced or to come
// back with a new boot volume, that the pool can do without it: as many as are desired,
// less those that may be missing, have been there at some moment of the last minute.
func (w *World) floor(pool string, n *corev1.Node) {
	p := w.poolObject(pool)
	if p == nil || p.Spec.Cycle == nil {
		return
	}
	v, err := w.cloud.Pool(pool)
	if err != nil {
		return
	}
	best, desired := w.left(pool), w.desiredOf(v)
	for i, s := range w.books.available[pool][1:] {
		if time.Since(s.at) < unheard {
			desired = min(desired, w.books.available[pool][i].desired)
		}
	}
	missing := mayMiss(p, desired) + w.heldBack(n)
	if missing == 0 {
		w.promise(keepReplace, best >= desired, "pool %s: node %s was cordoned with nothing in its place: %d of %d available", p.Name, n.Name, best, desired)
	}
	w.promise(keepFloor, best >= desired-missing, "pool %s: %d available after node %s was cordoned, %d desired, %d may be missing", p.Name, best, n.Name, desired, missing)
}

// desiredOf is how many nodes are desired of a pool: what its run says, or its size.
func (w *World) desiredOf(v okesim.PoolView) int {
	if p := w.poolObject(v.ID); p != nil && p.Status.Cycle != nil {
		return min(v.Size, int(p.Status.Cycle.Desired))
	}
	return v.Size
}

// mayMiss is how many nodes a run may leave without another in their place: always one
// where machines stay, and where the cloud had no room for others, if the pool's author
// has given leave for that.
func mayMiss(p *v1alpha1.Pool, desired int) int {
	missing := 0
	if u := p.Spec.Cycle.MaxUnavailable; u != nil {
		missing, _ = intstr.GetScaledValueFromIntOrPercent(u, desired, false)
	}
	strategy := p.Spec.Cycle.Strategy
	if run := p.Status.Cycle; run != nil && run.Strategy != "" {
		strategy = run.Strategy // it keeps what it began with
	}
	one := strategy == v1alpha1.StrategyInPlace || strategy == v1alpha1.StrategyBootVolume
	if run, leave := p.Status.Cycle, p.Spec.Cycle.GetFallback(); run != nil {
		one = one || leave.Unavailable && run.Rung == "Unavailable" || leave.BootVolume && run.Rung == "BootVolume"
	}
	if one {
		return max(missing, 1)
	}
	return missing
}

// works is whether a node is Ready and no check of it fails: one that fails is
// counted as missing. A verdict from before the node became Ready says nothing.
func (w *World) works(n *corev1.Node) bool {
	ready, problem := (&world.Node{Object: n}).Condition(corev1.NodeReady), verdict(n)
	if ready == nil || ready.Status != corev1.ConditionTrue {
		return false
	}
	since := w.turned(n, ready)
	return problem.Status != corev1.ConditionTrue || problem.LastHeartbeatTime.Before(&since)
}

func passed(n *corev1.Node) bool {
	return verdict(n).Status == corev1.ConditionFalse
}

// available counts a pool's Nodes, and those that may be counted on: they work, the
// doctor has passed them, and they are schedulable.
func (w *World) available(pool string) (all int, usable map[string]bool) {
	usable = map[string]bool{}
	w.api.Each("nodes", func(o client.Object) {
		n := o.(*corev1.Node)
		if n.Annotations[v1alpha1.AnnotationNodePoolID] != pool || w.machineOf(n) == nil {
			return
		}
		all++
		if w.works(n) && passed(n) && !n.Spec.Unschedulable {
			usable[n.Name] = true
		}
	})
	return all, usable
}

// sample notes what has changed and forgets what is older than a minute.
func (w *World) sample(now time.Time) {
	for _, id := range w.pools {
		list := w.books.available[id]
		_, usable := w.available(id)
		s := sample{now, usable, 0}
		if v, err := w.cloud.Pool(id); err == nil {
			s.desired = w.desiredOf(v)
		}
		if last := len(list) - 1; last < 0 || list[last].desired != s.desired || !maps.Equal(list[last].nodes, usable) {
			list = append(list, s)
		}
		for len(list) > 1 && now.Sub(list[1].at) > time.Minute {
			list = list[1:]
		}
		w.books.available[id] = list
	}
}
