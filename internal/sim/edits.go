package sim

import (
	"fmt"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
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

// The node pool has an author as well, who edits it in the console: a zone less, another
// version or another label, and some minutes later what it had.
var consoleEdits = []struct {
	name string
	edit func(*World, okesim.PoolView) okesim.PoolUpdate
}{
	{"a zone less", func(w *World, v okesim.PoolView) okesim.PoolUpdate {
		return okesim.PoolUpdate{Placements: v.Placements[1:]}
	}},
	{"one zone", func(w *World, v okesim.PoolView) okesim.PoolUpdate {
		return okesim.PoolUpdate{Placements: v.Placements[:1]}
	}},
	{"another version", func(w *World, v okesim.PoolView) okesim.PoolUpdate {
		to := w.other(v)
		image, err := w.cloud.NewestImage(to, v.Shape)
		if err != nil {
			return okesim.PoolUpdate{}
		}
		return okesim.PoolUpdate{KubernetesVersion: &to, ImageID: &image.ID}
	}},
	{"another label", func(w *World, v okesim.PoolView) okesim.PoolUpdate {
		labels := maps.Clone(v.Labels)
		labels["team"] = "other"
		return okesim.PoolUpdate{Labels: labels}
	}},
	{"a larger boot volume", func(w *World, v okesim.PoolView) okesim.PoolUpdate {
		size := v.BootVolumeGB + 50
		return okesim.PoolUpdate{BootVolumeGB: &size}
	}},
}

// leaveConsole has somebody edit a node pool that is being turned over.
func (w *World) leaveConsole() {
	pool, value, edit := w.anyPool(), fmt.Sprint("console-", w.step), consoleEdits[w.tape.Pick(len(consoleEdits))]
	at := time.Duration(1+w.tape.Pick(12)) * 15 * time.Second
	w.errandIn(5*time.Second, "asks for a turn-over", func() { w.askFor(pool, value) })
	w.errandIn(at, "edits the node pool: "+edit.name, func() {
		v, err := w.cloud.Pool(pool)
		if err != nil {
			return
		}
		w.tastes = append(w.tastes, "in the console: "+edit.name)
		u := edit.edit(w, v)
		w.consoleEdit(pool, u)
		w.errandIn(5*time.Minute, "edits the node pool back", func() { w.consoleEdit(pool, back(u, v)) })
	})
}

// back undoes u on a pool that was v.
func back(u okesim.PoolUpdate, v okesim.PoolView) okesim.PoolUpdate {
	switch {
	case u.Placements != nil:
		u.Placements = v.Placements
	case u.Labels != nil:
		u.Labels = v.Labels
	case u.BootVolumeGB != nil:
		u.BootVolumeGB = &v.BootVolumeGB
	case u.ImageID != nil:
		u.KubernetesVersion, u.ImageID = &v.KubernetesVersion, &v.ImageID
	}
	return u
}

// consoleEdit tries as long as OKE does not take it, as while it cycles the pool.
func (w *World) consoleEdit(pool string, u okesim.PoolUpdate) {
	w.books.orders.released[pool], w.books.consoled[pool] = time.Now(), true
	if _, err := w.cloud.UpdatePool(pool, u, ""); err != nil {
		w.note("cloud: %s", err)
		w.errandIn(time.Minute, "edits the node pool once more", func() { w.consoleEdit(pool, u) })
	}
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
