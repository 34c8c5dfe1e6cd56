package sim

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// outage is a turn-over that budgets hold up, and a cloud that stops answering in it for
// half an hour. What is being emptied then has to be given back while it lasts, also by
// processes that begin in it and have never heard of a node pool.
func outage(t *testing.T, restart bool) func(*World) {
	return func(w *World) {
		for _, a := range w.apps {
			w.closeBudget(a, true)
		}
		for range w.pools {
			w.annotate(v1alpha1.AnnotationCycle, "outage")
		}
		play := func(d time.Duration, until func() bool) {
			for began := time.Now(); w.ok() && time.Since(began) < d && !until(); {
				w.gentle()
			}
		}
		cordoned := func() (n int) {
			w.api.Each("nodes", func(o client.Object) {
				if o.(*corev1.Node).Spec.Unschedulable {
					n++
				}
			})
			return n
		}
		play(10*time.Minute, func() bool { return cordoned() > 0 })
		taken := cordoned()
		w.silent = time.Now().Add(30 * time.Minute)
		for _, p := range slices.Clone(w.procs) {
			if restart {
				w.crash(p)
			}
		}
		play(15*time.Minute, func() bool { return cordoned() == 0 })
		if n := cordoned(); taken == 0 || n > 0 {
			t.Errorf("%d nodes were taken, %d are cordoned %s into the outage", taken, n, 30*time.Minute-time.Until(w.silent))
		}
		w.silent = time.Time{}
		for _, a := range w.apps {
			w.closeBudget(a, false)
		}
	}
}

func TestDrainsEndInAnOutage(t *testing.T) {
	for _, restart := range []bool{false, true} {
		o := options(1)
		o.Gentle, o.Story = true, outage(t, restart)
		if r := Run(t, o); r.Violation != nil {
			t.Error(r)
		}
	}
}
