package cycle

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
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

// The pauses double from five minutes to an hour, and how long the run had waited before
// OKE was asked at all is none of them.
func TestDelegatePausesBeginAtFiveMinutes(t *testing.T) {
	s, policy := tell(t, `pool workers release=v1.34.1 cycle=now
run cycle=now desired=2 stale=1 strategy=Delegate started=-10h
node n1 age=240h version=v1.33.1
node n2 age=1h`)
	asked := func() bool {
		plan := Decide(s, policy)
		s.Pools[0].Object.Status.Cycle = plan.Pools[0].Cycle
		return slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Kind == Delegate })
	}
	if !asked() {
		t.Fatal("OKE is not asked")
	}
	for _, want := range []int{5, 10, 20, 40, 60, 60} {
		minutes := 0
		for first := true; first || !asked(); first = false {
			s.Now = s.Now.Add(time.Minute)
			minutes++
		}
		if minutes != want {
			t.Errorf("asked again after %d minutes, want %d", minutes, want)
		}
	}
}

// A question that did not reach OKE is put again soon, however long the run has lasted,
// and the Pool says what happened to it.
func TestDelegateIsAskedAgainSoon(t *testing.T) {
	s, policy := tell(t, `pool workers release=v1.34.1 cycle=now
run cycle=now desired=2 stale=1 strategy=Delegate started=-3h delegated=-1m
node n1 age=240h version=v1.33.1
node n2 age=1h`)
	policy.Unasked = map[cloudprovider.PoolID]string{s.Pools[0].Cloud.ID: "500 InternalError"}
	wait := Decide(s, policy).Pools[0].Wait
	if want := "OKE could not be asked to cycle the node pool: 500 InternalError; it is asked again at 2026-03-01T12:04:00Z"; wait == nil || wait.Message != want {
		t.Errorf("waits: %v, want %q", wait, want)
	}
	s.Now = s.Now.Add(4 * time.Minute)
	if steps := Decide(s, policy).Steps; len(steps) != 1 || steps[0].Kind != Delegate {
		t.Errorf("after five minutes: %v, want OKE asked", steps)
	}
}

// The loop remembers that OKE could not be asked, until it could.
func TestDelegateUnaskedIsLearned(t *testing.T) {
	set := with(v1alpha1.StrategyDelegate)
	set.pods, set.minAvailable = 0, 0
	pass(t, set, func(t *testing.T, s *simulation) {
		s.minutes(1)
		if err := s.cloud.SetRelease(t.Context(), s.id, newRelease); err != nil {
			t.Fatal(err)
		}
		ask := func() string {
			step := Step{Kind: Delegate, PoolID: s.id, Cycling: &cloudprovider.Cycling{MaxSurge: 1}}
			if err := (&turn{Loop: s.loop}).delegate(t.Context(), step); err != nil {
				t.Fatal(err)
			}
			return s.loop.knownOf(s.id).unasked
		}
		if why := ask(); why != "" {
			t.Errorf("asked, and yet it could not be: %s", why)
		}
		if why := ask(); why == "" {
			t.Error("it is at work on the pool, and that it could not be asked is not known")
		}
		s.minutes(30)
		if why := ask(); why != "" {
			t.Errorf("still not asked: %s", why)
		}
	})
}
