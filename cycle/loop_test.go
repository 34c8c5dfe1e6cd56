package cycle

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

var small = setting{size: 3, pods: 6, zones: 1, surge: intstr.FromInt32(1), unavailable: intstr.FromInt32(0), minAvailable: 5}

const upgradeRequest = v1alpha1.AnnotationUpgradeTo + "=v1.34.1"

// upgraded turns the pool over and checks how it ends.
func (s *simulation) upgraded() {
	s.t.Helper()
	s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
	s.until(func() bool { return s.ended(upgradeRequest) })
	s.checkEnd(Succeeded, newRelease.Kubernetes)
}

// checkEnd is what holds when a run is over, however it went.
func (s *simulation) checkEnd(outcome, version string) {
	s.t.Helper()
	for range s.set.lag + 1 { // a process that died between the record and the last notes has a successor, whose cache may lag
		s.tick()
	}
	if last := s.town.pool.Status.LastCycle; last != nil && last.Outcome != outcome || last == nil && !s.moot() {
		s.t.Errorf("the run ended with %+v, want %s", last, outcome)
	}
	pool := s.look()
	all, _ := pool.Counts()
	s.promise(invSize, pool.Cloud.Size == s.set.size && all.Available == s.set.size, "size %d, available %d; want %d", pool.Cloud.Size, all.Available, s.set.size)
	left := s.clean()
	s.promise(invClean, left == "", "left behind: %s", left)
	for _, n := range pool.Nodes {
		if version != "" && n.Kubernetes() != version {
			s.t.Errorf("node %s runs %s", n.Name(), n.Kubernetes())
		}
	}
}

func TestUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		s.upgraded()
		last := s.town.pool.Status.LastCycle
		if last.Replaced != 3 {
			t.Errorf("replaced = %d, want 3", last.Replaced)
		}
		c := meta.FindStatusCondition(s.town.pool.Status.Conditions, v1alpha1.ConditionCycling)
		if c == nil || c.Reason != Succeeded {
			t.Errorf("condition Cycling = %+v", c)
		}
		// Nothing more happens, and nothing is written.
		changes := s.town.changes
		for range 20 {
			s.tick()
		}
		if s.town.changes != changes {
			t.Errorf("%d changes after the end; the last plan was\n%s", s.town.changes-changes, s.last)
		}
	})
}

// Whatever call the process dies at, before it or after it, the next one ends
// in the same state and keeps every promise on the way.
func TestCrashAnywhere(t *testing.T) {
	calls := 0
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		s.upgraded()
		calls = s.town.changes
	})
	if calls < 30 {
		t.Fatalf("only %d calls change anything: this test is not about a whole run", calls)
	}
	for k := 1; k <= calls; k++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d, made %v", k, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSimulation(t, small)
					s.town.killAt, s.town.after = k, after
					s.upgraded()
					if s.town.changes < k {
						t.Errorf("the process was not killed: %d changes", s.town.changes)
					}
				})
			})
		}
	}
}

// recorder is a tester that rapid can read after the bubble is over.
type recorder struct{ said []string }

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

// inBubble runs f under synctest's clock and gives what it found to rapid.
func inBubble(t *testing.T, rt *rapid.T, f func(tester)) {
	if said := bubble(t, f); len(said) > 0 {
		rt.Fatalf("%s", strings.Join(said[:min(len(said), 5)], "\n"))
	}
}

// bubble runs f under synctest's clock and gives what it found.
func bubble(t *testing.T, f func(tester)) []string {
	r := &recorder{}
	synctest.Test(t, func(*testing.T) {
		defer func() {
			if p := recover(); p != nil && p != r {
				panic(p)
			}
		}()
		f(r)
	})
	return r.said
}

// anySetting draws a pool, a budget, a load and a lag.
func anySetting(t *rapid.T) setting {
	amount := func(name string) intstr.IntOrString {
		if rapid.Bool().Draw(t, name+"Percent") {
			return intstr.FromString(fmt.Sprintf("%d%%", rapid.IntRange(0, 100).Draw(t, name)))
		}
		return intstr.FromInt32(int32(rapid.IntRange(0, 4).Draw(t, name)))
	}
	set := setting{
		size: rapid.IntRange(1, 9).Draw(t, "size"), zones: rapid.IntRange(1, 3).Draw(t, "zones"),
		surge: amount("surge"), unavailable: amount("unavailable"), lag: rapid.IntRange(0, 2).Draw(t, "lag"),
	}
	set.pods = rapid.IntRange(0, 3*set.size).Draw(t, "pods")
	set.minAvailable = max(set.pods-rapid.IntRange(1, 3).Draw(t, "spare"), 0)
	b, err := BudgetOf(&v1alpha1.CycleSpec{MaxSurge: &set.surge, MaxUnavailable: &set.unavailable}, set.size, set.zones)
	if err != nil {
		t.Fatal(err)
	}
	if b.Surge == 0 && b.Unavailable >= set.size {
		// All nodes may go at once and nothing stands in: whoever asks for that
		// cannot have a budget of pods as well.
		set.minAvailable = 0
	}
	return set
}

// Any pool, any budget, a cache that lags, a process that dies once: the
// promises hold and the run ends.
func TestAnyRunKeepsThePromises(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		set := anySetting(rt)
		killAt, after := rapid.IntRange(0, 40).Draw(rt, "killAt"), rapid.Bool().Draw(rt, "after")
		inBubble(t, rt, func(t tester) {
			s := newSimulation(t, set)
			if b := s.budget(set.size); b.Surge+b.Unavailable == 0 {
				s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
				s.until(func() bool { return s.ended(upgradeRequest) })
				s.checkEnd(Refused, oldRelease.Kubernetes)
				return
			}
			s.town.killAt, s.town.after = killAt, after
			s.upgraded()
		})
	})
}

func TestAbortGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for ticks := 1; ticks < 60; ticks += 3 {
			s := newSimulation(t, small)
			s.ask(v1alpha1.AnnotationCycle, "now")
			for range ticks {
				s.tick()
			}
			if s.town.pool.Status.Cycle == nil {
				if ticks < 20 {
					t.Fatalf("no run after %d ticks:\n%s", ticks, s.last)
				}
				break // it has ended before it could be aborted
			}
			s.ask(v1alpha1.AnnotationCycle, "")
			s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=now") })
			s.checkEnd(Aborted, "")
		}
	})
}

// A node that a person had cordoned before is theirs again when the run is called
// off, cordoned as it was.
func TestAbortLeavesAPersonsCordon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := 0
		for ticks := 10; ticks < 60; ticks += 4 {
			set := small
			set.spec = func(s *v1alpha1.CycleSpec) { s.Drain = &v1alpha1.DrainSpec{Timeout: minutesLong(600)} }
			s := newSimulation(t, set)
			theirs := s.anyNode()
			s.edit(theirs, func(n *corev1.Node) { n.Spec.Unschedulable = true })
			s.town.minAvailable = s.set.pods // nothing leaves
			s.ask(v1alpha1.AnnotationCycle, "now")
			for range ticks {
				s.tick()
			}
			if s.town.nodes[theirs].Annotations[v1alpha1.AnnotationDisruption] != "" {
				taken++
			}
			s.ask(v1alpha1.AnnotationCycle, "")
			s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=now") })
			if n := s.town.nodes[theirs]; n == nil || !n.Spec.Unschedulable || n.Annotations[v1alpha1.AnnotationDisruption] != "" {
				t.Errorf("aborted after %d ticks: the person's node is %+v", ticks, n)
			}
		}
		if taken == 0 {
			t.Error("the person's node was never taken")
		}
	})
}

func TestNoCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		s.cloud.SetCapacity("ZONE-1", 0)
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		began := time.Now()
		for time.Since(began) < time.Hour {
			s.tick()
		}
		run := s.town.pool.Status.Cycle
		c := meta.FindStatusCondition(s.town.pool.Status.Conditions, v1alpha1.ConditionCycling)
		if run == nil || run.SurgeFailures < 4 || run.SurgeFailures > 9 || c == nil || c.Reason != string(InsufficientCapacity) {
			t.Fatalf("run %+v, condition %+v", run, c)
		}
		if all, _ := s.look().Counts(); all.Available != 3 {
			t.Errorf("%d nodes are available without capacity", all.Available)
		}
		s.cloud.SetCapacity("ZONE-1", -1)
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

// A budget that allows nothing: the node is given back, the others go on, and
// the run goes on by itself when the budget allows.
func TestStuckBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := small
		set.minAvailable = set.pods
		s := newSimulation(t, set)
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		skipped := map[string]bool{}
		began := time.Now()
		for time.Since(began) < 3*time.Hour {
			s.tick()
			for name, n := range s.town.nodes {
				if n.Annotations[v1alpha1.AnnotationSkippedUntil] != "" {
					skipped[name] = true
				}
			}
		}
		if len(skipped) < 2 {
			t.Errorf("%d nodes were tried in 3 h", len(skipped))
		}
		if s.town.changes > 2000 {
			t.Errorf("%d changes in 3 h of waiting", s.town.changes)
		}
		s.town.minAvailable--
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}
