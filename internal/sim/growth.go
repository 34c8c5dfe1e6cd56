package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// resizes checks the ceiling. A run may go beyond the size that is desired by its
// surge; scaling, by nothing beyond the pool's maximum.
func (w *World) resizes(o *op, pool string) {
	asked, ok := sizeIn(o.body)
	if !ok {
		return
	}
	v, err := w.cloud.Pool(pool)
	p := w.poolObject(pool)
	if err != nil || p == nil {
		return
	}
	to, limit := asked, v.Size
	o.vain = w.intoWall(v, to)
	w.thrifty(o, p, v.Size, to)
	w.madeAgain(o, p, v, to)
	if run := p.Status.Cycle; run != nil {
		limit = int(run.Desired)
	}
	if p.Spec.Scale != nil && (o.loop() != "cycle" || p.Status.Cycle == nil) {
		limit = max(limit, int(p.Spec.Scale.MaxSize))
	}
	surge := 1
	if c := p.Spec.Cycle; c != nil && c.MaxSurge != nil {
		surge, _ = intstr.GetScaledValueFromIntOrPercent(c.MaxSurge, limit, true)
	}
	if run := p.Status.Cycle; run != nil && run.Strategy == v1alpha1.StrategyBlueGreen && o.loop() == "cycle" {
		surge = limit // as many new nodes as there are old ones, whatever maxSurge says
	}
	w.promise(keepCeiling, to <= max(limit+max(surge, 1), v.Size), "pool %s: size %d is asked for, at most %d and a surge of %d", p.Name, to, limit, surge)
	if run := p.Status.Cycle; run != nil && to > max(limit, v.Size) {
		stands := (run.Strategy == v1alpha1.StrategyBlueGreen || w.pausedLately(v.ID)) && to <= limit+w.emptied(v)
		if !stands && !w.wants(v, run.StartedAt.Add(-o.p.wall), o.p.wall) && !(run.ReleasedAt != nil && w.differs(v)) {
			o.needless = fmt.Sprintf("pool %s: size %d is asked for, %d are desired and nothing is left to be replaced", p.Name, to, limit)
		}
	}
	if s := p.Spec.Scale; s != nil && o.loop() == "scale" {
		w.promise(keepCeiling, to <= max(most(s, nodePrice), v.Size), "pool %s: size %d is asked for by scaling, its limits allow %d", p.Name, to, most(s, nodePrice))
	}
	live := 0
	for _, n := range v.Nodes {
		if n.ID != "" && n.State != "DELETING" {
			live++
		}
	}
	if to < v.Size {
		o.costs = max(live-to, 0)
	}
}

// wants is whether a run has a machine left that it is to replace and has not emptied,
// or zones that are further apart than they need be. It goes by when who asks thinks
// that the run began, and by the earliest that anybody says of a machine or its Node:
// where clocks disagree, to replace a node once too often is the lesser evil. What was
// seen to be empty a moment ago, on a clock that is wrong by wall, may be news to the look
// that the growth was decided on.
func (w *World) wants(v okesim.PoolView, began time.Time, wall time.Duration) bool {
	zones := map[string]int{}
	for _, p := range v.Placements {
		zones[p.AD] = 0
	}
	for _, n := range v.Nodes {
		if n.ID == "" || n.State == "DELETING" {
			continue
		}
		zones[n.AD]++
		var node *corev1.Node
		made := earliest(n.Created, n.Created.Add(-w.skews.cloudBy)) // dated before the cloud's clock was set, it is read by what that says now
		if k := w.kubelets[n.ID]; k != nil {
			node, made = w.nodeOf(k), earliest(made, k.made)
		}
		if node == nil {
			if made.Before(began) {
				return true
			}
			continue
		}
		if !(isEmptied(node) && time.Since(drainedAt(node).Add(-wall)) >= forgiven) && (earliest(made, node.CreationTimestamp.Time).Before(began) || node.Annotations[v1alpha1.AnnotationCycle] != "") {
			return true
		}
	}
	counts := slices.Collect(maps.Values(zones))
	return slices.Max(counts)-slices.Min(counts) > 1
}

// differs is whether a machine of the pool is of another release than the pool's.
func (w *World) differs(v okesim.PoolView) bool {
	return slices.ContainsFunc(v.Nodes, func(n okesim.NodeView) bool {
		i, err := w.cloud.Instance(n.ID)
		return err == nil && n.State != "DELETING" && (i.KubernetesVersion != v.KubernetesVersion || i.ImageID != v.ImageID)
	})
}

// emptied is how many nodes of a pool a drain has emptied and nobody has deleted.
// A blue-green run keeps them until the soak is over, a paused one until it goes on, and
// pods that come meanwhile need room beside them.
func (w *World) emptied(v okesim.PoolView) int {
	n := 0
	for _, m := range v.Nodes {
		if k := w.kubelets[m.ID]; k != nil && m.State != "DELETING" {
			if node := w.nodeOf(k); node != nil && isEmptied(node) {
				n++
			}
		}
	}
	return n
}

// pausedLately is whether a node pool is paused, or was when it was last looked at.
func (w *World) pausedLately(id string) bool {
	_, paused := w.books.paused[id]
	return paused || time.Since(w.books.unpaused[id]) < forgiven
}

func isEmptied(node *corev1.Node) bool { return !drainedAt(node).IsZero() }

// drainedAt is when the node's drain ended, by its mark; zero if it has not.
func drainedAt(node *corev1.Node) time.Time {
	if mark, err := kube.MarkOf(node); err == nil && mark != nil && mark.Drained != nil {
		return *mark.Drained
	}
	return time.Time{}
}
