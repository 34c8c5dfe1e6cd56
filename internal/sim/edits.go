package sim

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Who has written a Pool changes his mind in the middle of a run: another budget, other
// bounds, a verb taken off, any wish that an author may have. Some minutes later the Pool
// is as it was; what happens in between has to be within what stands there at the time.

// edits are what people change, beside [tastes].
var edits = []taste{
	{"cycling off", func(s *v1alpha1.PoolSpec) { s.Cycle = nil }},
	{"scaling off", func(s *v1alpha1.PoolSpec) { s.Scale = nil }},
	{"repair off", func(s *v1alpha1.PoolSpec) { s.Repair = nil }},
	{"repair as a rehearsal", repairing(func(s *v1alpha1.RepairSpec) { s.Mode = v1alpha1.RepairDryRun })},
	{"none may be missing", cycling(func(s *v1alpha1.CycleSpec) { s.MaxUnavailable = some(intstr.FromInt32(0)) })},
	{"half may be missing", cycling(func(s *v1alpha1.CycleSpec) { s.MaxUnavailable = some(intstr.FromString("50%")) })},
	{"no surge", cycling(func(s *v1alpha1.CycleSpec) {
		s.MaxSurge, s.MaxUnavailable = some(intstr.FromInt32(0)), some(intstr.FromInt32(1))
	})},
	{"a surge of one", cycling(func(s *v1alpha1.CycleSpec) { s.MaxSurge = some(intstr.FromInt32(1)) })},
	{"a larger minimum", scaling(func(s *v1alpha1.ScaleSpec) { s.MinSize = s.MaxSize - 1 })},
	{"a smaller maximum", scaling(func(s *v1alpha1.ScaleSpec) { s.MinSize, s.MaxSize = 0, max(s.MinSize, 1) })},
	{"no scale-down", scaling(func(s *v1alpha1.ScaleSpec) { s.Down.Disabled = true })},
	{"Surge", cycling(func(s *v1alpha1.CycleSpec) { s.Strategy = v1alpha1.StrategySurge })},
	{"calls off", cycling(func(s *v1alpha1.CycleSpec) { s.Mode = v1alpha1.CycleOff })},
}

// leaveEdits has a pool turned over and its Pool edited meanwhile, once or twice, and
// taken back to what it was some minutes later.
func (w *World) leaveEdits() {
	pool, value := w.anyPool(), fmt.Sprint("edited-", w.step)
	w.errandIn(5*time.Second, "asks for a turn-over", func() { w.askFor(pool, value) })
	at, before := 10*time.Second, (*v1alpha1.PoolSpec)(nil)
	for range 1 + w.tape.Pick(2) {
		edit := append(edits, tastes...)[w.tape.Pick(len(edits)+len(tastes))]
		at += time.Duration(1+w.tape.Pick(12)) * 15 * time.Second
		if edit.name == dearer || edit.name == "BlueGreen" {
			continue // that is about the cloud's prices too, or for an hour once it is taken off
		}
		w.errandIn(at, "edits the Pool: "+edit.name, func() {
			w.editPool(pool, func(s *v1alpha1.PoolSpec) {
				if before == nil {
					before = s.DeepCopy()
				}
				edit.wish(s)
			})
			w.tastes = append(w.tastes, "edited: "+edit.name)
		})
	}
	w.errandIn(at+5*time.Minute, "edits the Pool back", func() {
		if before != nil {
			w.editPool(pool, func(s *v1alpha1.PoolSpec) { *s = *before.DeepCopy() })
		}
	})
}

func (w *World) editPool(id string, edit func(*v1alpha1.PoolSpec)) {
	if p := w.poolObject(id); p != nil {
		w.api.Edit(p, func(o client.Object) { edit(&o.(*v1alpha1.Pool).Spec) })
	}
}
