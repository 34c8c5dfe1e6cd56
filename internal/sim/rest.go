package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/world"
)

// wouldRest is whether checkRest would find everything done.
func (w *World) wouldRest() bool {
	w.asking, w.amiss = true, false
	w.checkRest()
	w.asking = false
	return !w.amiss
}

// checkRest is asked when nothing has been written for long: is everything done?
func (w *World) checkRest() {
	w.api.Each("nodes", func(o client.Object) {
		n := o.(*corev1.Node)
		if w.outgrown(n.Annotations[v1alpha1.AnnotationNodePoolID]) {
			return
		}
		for _, key := range []string{v1alpha1.AnnotationDisruption, v1alpha1.AnnotationScaleDownKept, v1alpha1.AnnotationSkippedUntil} {
			_, there := n.Annotations[key]
			w.promise(keepCleanEnd, !there || w.stays(n, key), "node %s still has %s: %s", n.Name, key, n.Annotations[key])
		}
		w.promise(keepCleanEnd, !n.Spec.Unschedulable || w.books.cordoned[string(n.UID)], "node %s is still cordoned", n.Name)
		w.heededAll(n)
		w.promise(keepIll, !condemned(n) || hostFails(n) || w.wellFor(n) == 0, "node %s is said to have a problem, and has none: %s", n.Name, problem(n))
		for _, t := range n.Spec.Taints {
			w.promise(keepCleanEnd, t.Key != v1alpha1.TaintOutdated || w.runWaits(n.Annotations[v1alpha1.AnnotationNodePoolID]), "node %s still has taint %s", n.Name, t.Key)
		}
	})
	w.api.Each("pods", func(o client.Object) {
		p := o.(*corev1.Pod)
		w.promise(keepEnd, p.Spec.NodeName != "" || w.full() || !w.mix.parts.scale, "pod %s has no node, and no pool is at its limit", p.Name)
		w.toldWhy(p, time.Now())
	})
	for _, id := range w.pools {
		w.checkPool(id)
	}
}

// runWaits is whether a pool's run waits for a person: its nodes are outdated as long.
func (w *World) runWaits(id string) bool {
	p := w.poolObject(id)
	v, err := w.cloud.Pool(id)
	return err == nil && p != nil && p.Status.Cycle != nil && w.heldUp(p, v)
}

// stays is whether a run that waits may leave this annotation on a node: how often its
// drain was given up has to be known when it is tried again. A run that turns back has
// others to replace than those that were given up on the way there, and forgets that at
// its end.
func (w *World) stays(n *corev1.Node, key string) bool {
	pool := n.Annotations[v1alpha1.AnnotationNodePoolID]
	switch key {
	case v1alpha1.AnnotationScaleDownKept:
		return w.keepsOff(pool)
	case v1alpha1.AnnotationSkippedUntil:
		return w.runWaits(pool)
	}
	return false
}

func outdated(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha1.TaintOutdated })
}

// keepsOff is whether a run that waits for a person holds another autoscaler off its
// pool's nodes: it does as long as there is something left to replace, for that would
// take the new nodes first, and where tidemill does not scale the pool itself.
func (w *World) keepsOff(id string) bool {
	p := w.poolObject(id)
	return w.runWaits(id) && p.Status.Cycle.Stale > 0 && p.Spec.Scale == nil
}

// outgrown is whether the run of a pool cannot end until somebody makes room: pods
// have no node, or would have none without the nodes that are left, and nothing scales,
// or all pools are as large as they may be. Then it is right to try for ever, ever more
// seldom: each of those nodes has to say that it was given up three times or more, and
// so for twice as long each time; and it truly has a pod on it whose budget allows
// nothing now, or more pods than there is room for, or it was given up for nothing. What is
// left may be a node beyond the size that the pool is to have.
func (w *World) outgrown(id string) bool {
	p := w.poolObject(id)
	if p == nil || p.Status.Cycle == nil || w.mix.parts.scale && !w.full() {
		return false
	}
	v, err := w.cloud.Pool(id)
	surplus := err == nil && p.Status.Cycle.Stale == 0 && v.Size > int(p.Status.Cycle.Desired) // any of them may be the one that goes
	waiting, left, tried := false, 0, 0
	w.api.Each("pods", func(o client.Object) {
		if o.(*corev1.Pod).Spec.NodeName == "" {
			waiting = true
		}
	})
	w.api.Each("nodes", func(o client.Object) {
		n := o.(*corev1.Node)
		if n.Annotations[v1alpha1.AnnotationNodePoolID] != id || !outdated(n) && !surplus {
			return
		}
		left++
		var until string
		var times int
		if _, err := fmt.Sscanf(n.Annotations[v1alpha1.AnnotationSkippedUntil], "%s after %d timeouts", &until, &times); err == nil && times >= 3 {
			crowded := w.crowded(n)
			waiting = waiting || crowded
			if crowded || w.guarded(n) {
				tried++
			}
		}
	})
	return waiting && left > 0 && tried == left
}

// crowded is whether the other nodes have no room for all pods of this one.
func (w *World) crowded(n *corev1.Node) bool {
	rooms, _ := w.rooms()
	rooms = slices.DeleteFunc(rooms, func(r *room) bool { return r.node.Name == n.Name })
	full := false
	w.api.Each("pods", func(o client.Object) {
		p := o.(*corev1.Pod)
		if p.Spec.NodeName != n.Name || p.DeletionTimestamp != nil || ended(p) || full {
			return
		}
		if len(rooms) > 0 { // it is no more where it was
			rooms[0].all.count(p.Labels["app"], n.Labels[corev1.LabelTopologyZone], -1)
		}
		if r := w.roomiest(p, rooms); r != nil {
			r.take(p)
		} else {
			full = true
		}
	})
	return full
}

// guarded is whether a pod on the node has a budget that allows no eviction now.
func (w *World) guarded(n *corev1.Node) bool {
	found := false
	w.api.Each("pods", func(o client.Object) {
		p := o.(*corev1.Pod)
		if p.Spec.NodeName != n.Name || p.DeletionTimestamp != nil || ended(p) {
			return
		}
		b, ok := w.api.Find("poddisruptionbudgets", p.Namespace, p.Labels["app"]).(*policyv1.PodDisruptionBudget)
		found = found || ok && b != nil && b.Status.DisruptionsAllowed == 0
	})
	return found
}

// triesOnly is whether all that is written may be about runs that cannot end.
func (w *World) triesOnly() bool {
	hopeless := 0
	for _, id := range w.pools {
		p := w.poolObject(id)
		if p == nil || p.Status.Cycle != nil && !w.outgrown(id) {
			return false
		}
		if p.Status.Cycle != nil {
			hopeless++
		}
	}
	return hopeless > 0
}

// full is whether every pool is as large as it may be. Where pods keep a disk it is for
// one zone that a node is needed, and the cloud may have two others to serve before.
func (w *World) full() bool {
	others := 0
	for _, a := range w.apps {
		if a.habit != nil && a.habit.disk {
			others = len(w.cloud.AvailabilityDomains()) - 1
		}
	}
	for _, id := range w.pools {
		p := w.poolObject(id)
		v, err := w.cloud.Pool(id)
		if err == nil && p != nil && p.Spec.Scale != nil && v.Size+others < most(p.Spec.Scale, w.price(id)) {
			return false
		}
	}
	return true
}

func (w *World) checkPool(id string) {
	p := w.poolObject(id)
	v, err := w.cloud.Pool(id)
	if p == nil || err != nil {
		w.promise(keepEnd, false, "pool %s is gone: %v", id, err)
		return
	}
	w.promise(keepEnd, p.Status.Cycle == nil || w.outgrown(id) || w.heldUp(p, v), "pool %s: the run %v has not ended: %s", p.Name, p.Status.Cycle, conditions(p))
	w.checkIll(id, p)
	w.checkSize(id, v)
	if stuck(p) {
		w.promise(keepEnd, w.ailing(v), "pool %s waits for a person, and nothing ails its machines: %s", p.Name, conditions(p))
		return
	}
	joined, _ := w.available(id)
	want := v.Size
	if !w.mix.parts.scale { // a person's resize whose launches fail is the person's to mend
		want -= unlaunched(v)
	}
	w.promise(keepEnd, joined == want || !w.mix.parts.cycle || p.Spec.Repair == nil && p.Spec.Scale == nil && admits(p), "pool %s: %d nodes, %d of size %d should be", p.Name, joined, want, v.Size)
	if p.Spec.Scale != nil {
		w.promise(keepEnd, v.Size >= int(p.Spec.Scale.MinSize), "pool %s: size %d is below its minimum", p.Name, v.Size)
	}
	if at := p.Annotations[v1alpha1.AnnotationUpgradeTo]; at != "" && !w.books.consoled[id] && p.Status.Cycle == nil && p.Status.LastCycle != nil && p.Status.LastCycle.Outcome == "Succeeded" && strings.HasPrefix(p.Status.LastCycle.Request, v1alpha1.AnnotationUpgradeTo) {
		w.api.Each("nodes", func(o client.Object) {
			n := o.(*corev1.Node)
			if n.Annotations[v1alpha1.AnnotationNodePoolID] == id {
				w.promise(keepEnd, n.Status.NodeInfo.KubeletVersion == at, "node %s runs %s, %s was asked for and said to be done", n.Name, n.Status.NodeInfo.KubeletVersion, at)
			}
		})
	}
}

// brakesMayHold is whether a brake is closed that may still be: until half an hour
// after the last machine of the cluster, for a brake may be for all of it, was seen to
// be well, which the doctor may see and write belated. After that nothing is left to
// wait for, and a brake that holds is judged like all else.
func (w *World) brakesMayHold() bool {
	last := latest(w.healed, w.led)
	for _, id := range w.order {
		if k := w.kubelets[id]; !k.removed {
			last = latest(last, k.health.since)
		}
	}
	return time.Since(last) < stillness+belated && slices.ContainsFunc(w.pools, func(id string) bool {
		p := w.poolObject(id)
		v, err := w.cloud.Pool(id)
		return err == nil && p != nil && meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionBraked) && !w.ailing(v)
	})
}

// spreadAwaited is whether a repair may still wait to see if its fault spreads: several
// machines are ill, and the last of their Nodes ceased to be Ready less than half an hour
// ago, or the doctor has seen it as belatedly as it may.
func (w *World) spreadAwaited() bool {
	ill, last := 0, time.Time{}
	for _, id := range w.order {
		k := w.kubelets[id]
		n := w.nodeOf(k)
		if k.removed || k.ill == well || n == nil {
			continue
		}
		ill++
		if ready := (&world.Node{Object: n}).Condition(corev1.NodeReady); ready != nil && ready.Status != corev1.ConditionTrue {
			last = latest(last, w.turned(n, ready).Time)
		}
	}
	return ill > 1 && w.mix.parts.repair && time.Since(last) < stillness+belated
}

// admits is whether the Pool says itself that machines of it are no nodes. That is
// enough where nobody has asked for scaling or repair: to make others is not ours.
func admits(p *v1alpha1.Pool) bool {
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionUpToDate)
	return c != nil && c.Status == metav1.ConditionFalse && c.Reason == "NotJoined"
}

// unlaunched are entries that never had a machine.
func unlaunched(v okesim.PoolView) int {
	n := 0
	for _, e := range v.Nodes {
		if e.ID == "" {
			n++
		}
	}
	return n
}

func conditions(p *v1alpha1.Pool) string {
	var b strings.Builder
	for _, c := range p.Status.Conditions {
		b.WriteString(c.Type + "=" + string(c.Status) + " " + c.Reason + " " + c.Message + "; ")
	}
	return b.String()
}
