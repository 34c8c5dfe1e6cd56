package sim

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// A foe is a controller that wants something else of the same field. It wins each
// time, for as long as it runs: neither gives up, so that the question is what it
// costs, and what is left when it is gone.
const (
	foeVerdict = iota // takes the doctor's verdict away
	foeTaint          // takes the taint of outdated nodes away
	foeCordon         // makes schedulable what tidemill is emptying
	foeMark           // takes marks away
	foeWords          // writes a Pool's conditions and what is said there
	foeKinds
)

// fight sets one of them going.
func (w *World) fight() {
	foe := w.tape.Pick(foeKinds)
	until := time.Now().Add([]time.Duration{20 * time.Second, 45 * time.Second, 2 * time.Minute}[w.tape.Pick(3)])
	w.harm.foes[foe] = until
	w.note("hostile: foe %d until %s", foe, until.Sub(w.began))
}

// tickFoes is their turn, once a second.
func (w *World) tickFoes(now time.Time) {
	fights := func(foe int) bool { return now.Before(w.harm.foes[foe]) }
	nodes := false
	for foe := range foeKinds {
		if fights(foe) {
			w.soon(now.Add(time.Second))
			nodes = nodes || foe != foeWords
		}
	}
	if nodes {
		w.sample(now) // what was there for a moment may have been counted on
		w.api.Each("nodes", func(o client.Object) {
			n := o.(*corev1.Node)
			if fights(foeMark) {
				w.disown(n)
			}
			if fights(foeCordon) && n.Annotations[v1alpha1.AnnotationDisruption] != "" && n.Spec.Unschedulable {
				w.harm.unmarked[n.UID] = now
				delete(w.books.cordoned, string(n.UID))
			}
			if fights(foeVerdict) {
				w.unsay(n)
			}
			w.api.Edit(n, func(o client.Object) { undo(o.(*corev1.Node), fights) })
		})
	}
	if fights(foeWords) {
		w.api.Each("pools", func(o client.Object) { w.api.Edit(o, contradict) })
	}
}

// undo is what they do to a Node.
func undo(n *corev1.Node, fights func(int) bool) {
	_, marked := n.Annotations[v1alpha1.AnnotationDisruption]
	if fights(foeCordon) && marked {
		n.Spec.Unschedulable = false
	}
	if fights(foeMark) {
		delete(n.Annotations, v1alpha1.AnnotationDisruption)
	}
	if fights(foeTaint) {
		var kept []corev1.Taint
		for _, t := range n.Spec.Taints {
			if t.Key != v1alpha1.TaintOutdated {
				kept = append(kept, t)
			}
		}
		n.Spec.Taints = kept
	}
	for i := range n.Status.Conditions {
		if c := &n.Status.Conditions[i]; fights(foeVerdict) && c.Type == v1alpha1.NodeConditionProblem {
			c.Status, c.Reason, c.Message = corev1.ConditionUnknown, "NotMine", "fought"
		}
	}
}

// unsay notes that somebody has taken from the doctor what he knew of a node.
func (w *World) unsay(n *corev1.Node) {
	if k := w.kubelets[n.Spec.ProviderID]; k != nil {
		k.joined = ""
	}
}

// contradict says the opposite of all that a Pool says of itself.
func contradict(o client.Object) {
	p := o.(*v1alpha1.Pool)
	p.Status.Activity = bell
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		c.Reason, c.Message = "Fought", bell
		if c.Status == metav1.ConditionTrue {
			c.Status = metav1.ConditionFalse
		} else {
			c.Status = metav1.ConditionTrue
		}
	}
}
