package sim

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// An illness stays until something is done about it; what passes by itself is a
// sick kubelet of people.go. Without illnesses the doctor has nothing to repair, and
// what it does wrong is found by nobody.
type illness int

const (
	well illness = iota
	// hangs: the kubelet is silent until the machine is restarted.
	hangs
	// broken: no restart helps, the machine must be replaced.
	broken
	// relapses: a restart helps for a minute and a half.
	relapses
	// faulty: the kubelet works, and the agent on the host finds that the disk is
	// mounted read-only, until a restart.
	faulty
)

// ail makes one machine ill.
func (w *World) ail() {
	k, ill := w.anyKubelet(), []illness{hangs, broken, relapses, hangs, broken, relapses, faulty}[w.tape.Pick(7)]
	alone := !w.tape.Chance(150) // several of a pool close its brake
	if k == nil || k.ill != well || alone && w.othersIll(k) {
		return
	}
	w.note("person: machine %s falls ill: %d", k.node, ill)
	w.stats.kinds["ill"]++
	w.moved = true
	w.beat(k)
	k.ill, k.fell = ill, time.Now()
	k.sick, k.dead = ill != faulty, ill != faulty
}

func (w *World) othersIll(k *kubelet) bool {
	for _, id := range w.order {
		if o := w.kubelets[id]; o != k && o.ill != well && !o.removed && o.inst.PoolID == k.inst.PoolID {
			return true
		}
	}
	return false
}

// restarted is what a restart does to an illness.
func (k *kubelet) restarted() {
	switch k.ill {
	case broken:
		return
	case relapses:
		k.again = time.Now().Add(90 * time.Second)
	}
	if k.ill != relapses {
		k.ill = well
	}
	k.sick, k.dead = false, false
}

// tickIll goes on with an illness: a relapse comes, the host's agent says what it
// finds once a minute.
func (w *World) tickIll(k *kubelet, n *corev1.Node, now time.Time) {
	if k.ill == relapses && !k.again.IsZero() {
		if w.later(k.again, now); !now.Before(k.again) {
			w.beat(k)
			k.ill, k.sick, k.dead, k.again = hangs, true, true, time.Time{}
		}
	}
	if k.sick || k.ill != faulty && !hostFails(n) {
		return
	}
	if w.later(k.said.Add(time.Minute), now); now.Before(k.said.Add(time.Minute)) && k.ill == faulty {
		return
	}
	k.said = now
	w.api.Edit(n, func(o client.Object) { setHost(o.(*corev1.Node), k, now) })
}

func hostFails(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == v1alpha1.NodeConditionHost {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// setHost writes the condition as the agent does.
func setHost(n *corev1.Node, k *kubelet, now time.Time) {
	at := k.says(now)
	c := corev1.NodeCondition{Type: v1alpha1.NodeConditionHost, Status: corev1.ConditionFalse, Reason: "Passed", Message: "; no check fails", LastHeartbeatTime: at, LastTransitionTime: at}
	if k.ill == faulty {
		c.Status, c.Reason, c.Message = corev1.ConditionTrue, "RootReadOnly", fmt.Sprintf("fail=root-read-only@%d; / is mounted read-only", k.fell.Unix())
	}
	for i := range n.Status.Conditions {
		if old := &n.Status.Conditions[i]; old.Type == c.Type {
			if old.Status == c.Status {
				c.LastTransitionTime = old.LastTransitionTime
			}
			*old = c
			return
		}
	}
	n.Status.Conditions = append(n.Status.Conditions, c)
}

// cure makes everybody well whom nobody is asked to repair, and mounts the disks
// again: what the host alone finds is no proof, and the doctor destroys nothing for it.
func (w *World) cure() {
	for _, id := range w.order {
		if k := w.kubelets[id]; !w.mix.parts.repair || k.ill == faulty || !w.uncured && w.othersIll(k) { // where several are, a person comes
			k.ill, k.dead, k.sick = well, false, false
		}
	}
}

// stuck is whether the Pool says that it waits for a person: for a common cause to
// end, or because repair has come to its end.
func stuck(p *v1alpha1.Pool) bool {
	return p != nil && (meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionBraked) || meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionNeedsHuman))
}

// heldUp is whether the pool's run waits with it for a person, and says so: a run that
// has begun has nodes to give back or to end, and a brake keeps it from both, or the
// machines that it keeps from being repaired are those that the floor lacks.
func (w *World) heldUp(p *v1alpha1.Pool, v okesim.PoolView) bool {
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionCycling)
	if w.gated(p) || w.noPlace(p) {
		return true
	}
	if c == nil || !stuck(p) || !w.ailing(v) {
		return false
	}
	return c.Reason == string(cycle.Braked) || strings.Contains(c.Message, "to work again")
}

// ailing is whether there is anything for a person to look at: a machine that is ill,
// is no node or does not work.
func (w *World) ailing(v okesim.PoolView) bool {
	for _, e := range v.Nodes {
		k := w.kubelets[e.ID]
		if k == nil || k.ill != well {
			return true
		}
		if n := w.nodeOf(k); n == nil || !nodeReady(n) || hostFails(n) { // what the doctor says of it is what is to be judged
			return true
		}
	}
	return false
}

// checkIll is asked at rest: who is ill is repaired, or it is said why not.
func (w *World) checkIll(id string, p *v1alpha1.Pool) {
	if p.Spec.Repair == nil || stuck(p) {
		return
	}
	for _, machine := range w.order {
		k := w.kubelets[machine]
		n := w.nodeOf(k)
		if n == nil || k.removed || n.Annotations[v1alpha1.AnnotationNodePoolID] != id {
			continue
		}
		// What a person has asked for such a node stays a person's, and waits at his gates.
		if asked := n.Annotations[v1alpha1.AnnotationCycle] != "" && !asksRepair(n); !asked || !w.gated(p) {
			w.promise(keepEnd, k.ill == well, "node %s is ill, and is neither repaired nor is it said why not: %s", k.node, conditions(p))
		}
	}
}

// countRepair counts what is done about illnesses, for the ledger.
func (w *World) countRepair(old, next *corev1.Node) {
	_, was, _ := kube.ParseRepairRequest(old.Annotations[v1alpha1.AnnotationCycle])
	if _, is, _ := kube.ParseRepairRequest(next.Annotations[v1alpha1.AnnotationCycle]); is && !was {
		w.stats.kinds["repair"]++
	}
}

// countBrake counts how often a pool's repair is braked.
func (w *World) countBrake(old, next *v1alpha1.Pool) {
	if !meta.IsStatusConditionTrue(old.Status.Conditions, v1alpha1.ConditionBraked) && meta.IsStatusConditionTrue(next.Status.Conditions, v1alpha1.ConditionBraked) {
		w.stats.kinds["brake"]++
	}
}
