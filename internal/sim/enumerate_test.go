package sim

import (
	"flag"
	"fmt"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

var stride = flag.Int("stride", 0, "TestCrashes kills at every so many-th write, TestStale plays every so many-th pair: 1 is all of them, 0 is one in the middle")

var firstPair = flag.Int("first", 0, "TestStale begins with this pair: -stride 8 with -first 1, 2, ... 8 is all of them in eight parts; 0 is the same as the stride")

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

// undisturbed is how a story is played, and what it comes to when nothing goes wrong.
func undisturbed(t *testing.T, story func(*World)) (Options, Result) {
	t.Helper()
	o := options(1)
	o.Gentle, o.Nodes, o.Story = true, 4, story
	r := Run(t, o)
	if r.Violation != nil {
		t.Fatalf("with nothing in its way: %s", r.Violation)
	}
	return o, r
}

// TestCrashes kills the daemon before, during and after its writes, one death a
// run: each story must end as it does without.
func TestCrashes(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			o, whole := undisturbed(t, s.tell)
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

// TestStale keeps one event from its watch until one of the daemon's own writes has
// landed that was made after it: what was decided in between was decided on a cache
// that is behind, of others' doings or of its own. Each story must end as it does
// without.
func TestStale(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			o, whole := undisturbed(t, s.tell)
			pairs := stalePairs(whole)
			step := *stride
			if step == 0 {
				step = len(pairs)/2 + 1
			}
			runs, from := 0, step
			if *firstPair > 0 {
				from = *firstPair
			}
			for i := from - 1; i < len(pairs); i += step {
				o.StaleAt, o.UntilWrite = pairs[i].event, pairs[i].write
				runs++
				if r := Run(t, o); r.Violation != nil {
					t.Errorf("event %d kept until write %d of %d: %s", o.StaleAt, o.UntilWrite, whole.Writes, r.Violation)
				}
			}
			fmt.Printf("%s: %d events, %d writes, %d of %d stale pairs, from %d on\n", s.name, len(whole.Events), whole.Writes, runs, len(pairs), from)
			if runs == 0 {
				t.Error("nothing was played")
			}
		})
	}
}

type stalePair struct{ event, write int }

// stalePairs are all events with each write that came after them.
func stalePairs(r Result) []stalePair {
	var out []stalePair
	for i, before := range r.Events {
		for write := before + 1; write <= r.Writes; write++ {
			out = append(out, stalePair{i + 1, write})
		}
	}
	return out
}
