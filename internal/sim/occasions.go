package sim

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
)

// Some wishes are for an occasion: a fallback for when the cloud has no room, a turn-over
// by OKE for as long as nobody wants something else of the pool. As deeds and leavings
// are drawn, two of them that belong together meet in one history of many. So whoever
// has such a wish meets what it is for, in half of the histories: what is drawn for it
// is drawn only where somebody has the wish.

// occasions are left when the faults end, like leavings, for each pool whose author has
// the wish.
var occasions = []struct {
	wished func(*v1alpha1.CycleSpec) bool
	leave  func(*World, string)
}{
	{fallsBack, (*World).leaveNoRoom},
	{handsOverPool, (*World).leaveLoss},
	{handsOverPool, (*World).leaveMeddler},
}

func fallsBack(s *v1alpha1.CycleSpec) bool { return s.Fallback != nil }

func handsOverPool(s *v1alpha1.CycleSpec) bool { return s.Strategy == v1alpha1.StrategyDelegate }

// leaveOccasions draws which of them come.
func (w *World) leaveOccasions() {
	for _, id := range w.pools {
		p := w.poolObject(id)
		if p == nil || p.Spec.Cycle == nil {
			continue
		}
		for _, o := range occasions {
			if o.wished(p.Spec.Cycle) && w.tape.Chance(500) {
				o.leave(w, id)
			}
		}
	}
}

// leaveNoRoom has a pool turned over while the cloud has no machine for it. In a third of
// the cases its author withdraws the leave that he has given, when it is made use of.
func (w *World) leaveNoRoom(pool string) {
	value, fault := fmt.Sprint("crowded-", w.step), okesim.LaunchFaults()[w.tape.Pick(6)]
	w.errandIn(0, "sees that the cloud has no room", func() { w.raiseWall(pool, fault) })
	w.errandIn(5*time.Second, "asks for a turn-over without room", func() { w.askFor(pool, value) })
	if w.tape.Chance(333) {
		w.errandIn(time.Duration(2+w.tape.Pick(4))*time.Minute, "withdraws the leave", func() {
			w.editPool(pool, cycling(func(s *v1alpha1.CycleSpec) { s.Fallback = nil }))
		})
	}
}

// leaveLoss has a machine lost whose place the cloud cannot fill for a while, and the
// pool upgraded: before anybody has noticed, or when it is known.
func (w *World) leaveLoss(pool string) {
	fault := okesim.LaunchFaults()[w.tape.Pick(6)]
	w.errandIn(0, "sees that the cloud has no room", func() { w.raiseWall(pool, fault) })
	w.errandIn(time.Second, "loses a machine", func() {
		if k := w.newest(pool); k != nil {
			w.cloud.KillInstance(k.inst.ID)
		}
	})
	at := []time.Duration{5 * time.Second, time.Minute, 3 * time.Minute}[w.tape.Pick(3)]
	w.errandIn(at, "asks for another version without room", func() { w.otherVersion(pool) })
}

// leaveMeddler has a pool upgraded, and not left alone meanwhile.
func (w *World) leaveMeddler(pool string) {
	w.meddlers[pool] = true
	w.errandIn(2*time.Second, "asks for another version", func() { w.otherVersion(pool) })
}

// meddle has somebody ask for a node by name while OKE cycles its pool: it is tidemill's
// to replace, and only when OKE has done. Which pools have such people is drawn before.
func (w *World) meddle(pool string) {
	if !w.meddlers[pool] {
		return
	}
	delete(w.meddlers, pool)
	value := fmt.Sprint("named-", w.step)
	w.errandIn(forgiven+10*time.Second, "asks for a node while OKE cycles its pool", func() {
		if k := w.newest(pool); k != nil {
			w.api.Edit(w.nodeOf(k), func(o client.Object) { set(o, v1alpha1.AnnotationCycle, value) })
		}
	})
}

// newest is the machine of a pool that joined last and takes pods, nil for none.
func (w *World) newest(pool string) *kubelet {
	for i := len(w.order) - 1; i >= 0; i-- {
		k := w.kubelets[w.order[i]]
		var n *corev1.Node
		if k.up && !k.removed && k.inst.PoolID == pool {
			n = w.nodeOf(k)
		}
		if n != nil && schedulable(n) {
			return k
		}
	}
	return nil
}
