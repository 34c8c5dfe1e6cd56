package sim

import (
	"flag"
	"fmt"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

var stride = flag.Int("stride", 0, "TestCrashes kills at every so many-th write: 1 is all of them, 0 is one in the middle")

// stories are the reference stories: one thing is asked for in a world where
// nothing else goes wrong.
var stories = []struct {
	name string
	tell func(*World)
}{
	{"scale", func(w *World) {
		for _, a := range w.apps {
			a.replicas += 6
		}
	}},
	{"cycle", func(w *World) {
		for _, id := range w.pools {
			if p := w.poolObject(id); p != nil {
				w.api.Edit(p, func(o client.Object) { set(o, v1alpha1.AnnotationCycle, "story") })
			}
		}
	}},
	{"repair", func(w *World) {
		for _, id := range w.order[:1] {
			w.kubelets[id].sick, w.kubelets[id].dead = true, true
		}
	}},
}

// TestCrashes kills the daemon before, during and after its writes, one death a
// run: each story must end as it does without.
func TestCrashes(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			o := options(1)
			o.Gentle, o.Story = true, s.tell
			whole := Run(t, o)
			if whole.Violation != nil {
				t.Fatalf("without a crash: %s", whole.Violation)
			}
			runs, first, step, kinds := 0, 1, *stride, []CrashKind{CrashBefore, CrashDuring, CrashAfter}
			if step == 0 {
				first, step, kinds = max(whole.Writes/2, 1), whole.Writes, kinds[1:2]
			}
			for n := first; n <= whole.Writes; n += step {
				for _, kind := range kinds {
					o.CrashAt, o.Crash = n, kind
					runs++
					if r := Run(t, o); r.Violation != nil {
						t.Errorf("killed %s write %d of %d: %s", kind, n, whole.Writes, r.Violation)
					} else if r.Crashes != 1 {
						t.Errorf("write %d of %d: %d crashes", n, whole.Writes, r.Crashes)
					}
				}
			}
			fmt.Printf("%s: %d writes, %d deaths, every %d. write\n", s.name, whole.Writes, runs, step)
		})
	}
}
