package sim

import (
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// hasten is people who want to be done: when the faults are over they let a pool grow
// by as much as it has, in three worlds of four. Runs that go node by node are seen
// while there are faults, and to wait for the rest of each, look after look, was a
// third of what a history cost.
func (w *World) hasten() {
	w.tape.Align()
	if w.opt.Gentle || w.tape.Pick(4) == 3 && w.span.leaves == leavesAny {
		return
	}
	for _, id := range w.pools {
		p := w.poolObject(id)
		if p == nil || p.Spec.Cycle == nil {
			continue
		}
		w.api.Edit(p, func(o client.Object) {
			all := intstr.FromString("100%")
			o.(*v1alpha1.Pool).Spec.Cycle.MaxSurge = &all
		})
	}
	w.note("people are in a hurry")
}
