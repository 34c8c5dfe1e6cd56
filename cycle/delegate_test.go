package cycle

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Nodes that OKE does not touch are no work: neither to be replaced when the run
// begins nor replaced when it is over.
func TestDelegateCountsWhatDiffers(t *testing.T) {
	set := with(v1alpha1.StrategyDelegate)
	set.pods, set.minAvailable = 0, 0
	pass(t, set, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationCycle, "now")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=now") })
		if last := s.town.pool.Status.LastCycle; last.Outcome != Succeeded || last.Replaced != 0 {
			t.Errorf("%s, %d replaced (%s): nothing differed", last.Outcome, last.Replaced, last.Message)
		}
	})
}

// Each look at a run that waits says the same: what grew with each look was written
// with each look.
func TestDelegateCountsOnce(t *testing.T) {
	s, policy := tell(t, `pool workers release=v1.34.1 cycle=now
run cycle=now desired=3 stale=1 strategy=Delegate delegated=-1m
node n1 age=240h version=v1.33.1
node n2 age=240h
node n3 age=240h`)
	for range 3 {
		run := Decide(s, policy).Pools[0].Cycle
		if run.Stale != 1 || run.Replaced != 0 {
			t.Fatalf("%d to be replaced and %d replaced, want 1 and 0", run.Stale, run.Replaced)
		}
		s.Pools[0].Object.Status.Cycle = run
	}
}

// Each asking is a beginning: none outside the windows, also not after OKE has failed
// inside of one.
func TestDelegateAsksInItsWindowOnly(t *testing.T) {
	s, policy := tell(t, `pool workers release=v1.34.1 cycle=now
run cycle=now desired=2 stale=1 strategy=Delegate started=-3h delegated=-2h
node n1 age=240h version=v1.33.1
node n2 age=1h`)
	spec := s.Pools[0].Object.Spec.Cycle
	for window, want := range map[string]bool{"30 11 * * *": true, "0 9 * * *": false} { // it is noon
		spec.Windows = []v1alpha1.CycleWindow{{Schedule: window, Duration: metav1.Duration{Duration: time.Hour}}}
		plan := Decide(s, policy)
		asked := slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Kind == Delegate })
		if wait := plan.Pools[0].Wait; asked != want || !want && (wait == nil || wait.Reason != OutsideWindow) {
			t.Errorf("window %q: asked %v, want %v (%v)", window, asked, want, wait)
		}
	}
}
