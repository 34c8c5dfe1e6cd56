package cycle

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// with is a small pool of a strategy.
func with(strategy v1alpha1.CycleStrategy, more ...func(*v1alpha1.CycleSpec)) setting {
	set := small
	set.spec = func(s *v1alpha1.CycleSpec) {
		s.Strategy = strategy
		for _, m := range more {
			m(s)
		}
	}
	return set
}

func minutesLong(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Minute}
}

// pass runs a simulation under its own clock.
func pass(t *testing.T, set setting, story func(*testing.T, *simulation)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { story(t, newSimulation(t, set)) })
}

func (s *simulation) ids() map[string]bool {
	out := map[string]bool{}
	for name := range s.town.nodes {
		out[name] = true
	}
	return out
}

func (s *simulation) change(edit func(*v1alpha1.Pool)) {
	next := s.town.pool.DeepCopy()
	edit(next)
	s.town.stamp(next)
	s.town.pool = next
}

func (s *simulation) waitsFor(r Reason) func() bool {
	return func() bool { return strings.Contains(s.last, "waits: "+string(r)+":") }
}

func TestInPlaceNeverGrows(t *testing.T) {
	set := with(v1alpha1.StrategyInPlace)
	set.surge = intstr.FromInt32(2)
	pass(t, set, func(t *testing.T, s *simulation) {
		most := 0
		s.set.edit = func(s *simulation, _ int) {
			all, _ := s.look().Counts()
			most = max(most, all.Instances)
		}
		s.upgraded()
		if most > 3 {
			t.Errorf("%d machines in a pool of 3", most)
		}
	})
}

func TestBootVolumeKeepsTheMachines(t *testing.T) {
	pass(t, with(v1alpha1.StrategyBootVolume), func(t *testing.T, s *simulation) {
		before := s.ids()
		s.upgraded()
		for name := range s.town.nodes {
			if !before[name] || s.town.nodes[name].Status.NodeInfo.BootID == "first" {
				t.Errorf("node %s is new, or was not restarted", name)
			}
		}
		if got := s.town.pool.Status.LastCycle.Replaced; got != 3 || s.boots != 3 {
			t.Errorf("replaced = %d, boots = %d, want 3", got, s.boots)
		}
		// What has the release already gets a new boot volume only when that is asked.
		s.ask(v1alpha1.AnnotationCycle, "again")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=again") })
		s.checkEnd(Succeeded, newRelease.Kubernetes)
		if s.boots != 6 {
			t.Errorf("%d boots after a second run, want 6", s.boots)
		}
	})
}

// What the cloud refuses is said in its words, and everything is given back.
func TestUnsupportedIsRefused(t *testing.T) {
	for _, strategy := range []v1alpha1.CycleStrategy{v1alpha1.StrategyBootVolume, v1alpha1.StrategyDelegate} {
		t.Run(string(strategy), func(t *testing.T) {
			set := with(strategy)
			set.basic, set.pods, set.minAvailable = true, 0, 0
			pass(t, set, func(t *testing.T, s *simulation) {
				s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
				s.until(func() bool { return s.ended(upgradeRequest) })
				s.checkEnd(Refused, oldRelease.Kubernetes)
				if m := s.town.pool.Status.LastCycle.Message; !strings.Contains(m, "enhanced clusters only") {
					t.Errorf("refused with %q", m)
				}
				s.minutes(30)
				if s.town.pool.Status.Cycle != nil {
					t.Error("it has begun again")
				}
			})
		})
	}
}

func TestDelegate(t *testing.T) {
	set := with(v1alpha1.StrategyDelegate)
	set.pods, set.minAvailable = 0, 0
	pass(t, set, func(t *testing.T, s *simulation) {
		s.upgraded()
		asked := 0
		for _, c := range s.cloud.Calls() {
			switch c.Op {
			case "Cycle":
				asked++
			case "Delete", "Resize", "Replace":
				t.Errorf("tidemill called %s itself", c.Op)
			}
		}
		if asked != 1 {
			t.Errorf("the cloud was asked %d times", asked)
		}
	})
}

func blueGreen(s *v1alpha1.CycleSpec) {
	s.BlueGreen = &v1alpha1.BlueGreenSpec{Soak: minutesLong(30)}
}

func TestBlueGreenSoaks(t *testing.T) {
	pass(t, with(v1alpha1.StrategyBlueGreen, blueGreen), func(t *testing.T, s *simulation) {
		blue := s.ids()
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		var empty time.Time
		s.until(func() bool {
			drained, left := 0, 0
			for name, n := range s.town.nodes {
				if m, _ := kube.MarkOf(n); blue[name] && m != nil && m.Drained != nil {
					drained++
				}
				if blue[name] {
					left++
				}
			}
			if drained == 3 && empty.IsZero() {
				empty = time.Now()
			}
			if left < 3 && (empty.IsZero() || time.Since(empty) < 29*time.Minute) {
				t.Fatalf("blue nodes go %s after all were empty", time.Since(empty))
			}
			return s.ended(upgradeRequest)
		})
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

// One annotation gives blue back while it stands.
func TestBlueGreenRollsBack(t *testing.T) {
	pass(t, with(v1alpha1.StrategyBlueGreen, blueGreen), func(t *testing.T, s *simulation) {
		blue := s.ids()
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		s.until(func() bool { return strings.Contains(s.last, string(Soaking)+": it is empty, and stands until 20") })
		s.ask(v1alpha1.AnnotationRollback, "now")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationRollback + "=now") })
		s.checkEnd(Succeeded, oldRelease.Kubernetes)
		for name := range s.town.nodes {
			if !blue[name] {
				t.Errorf("node %s was made anew", name)
			}
		}
		changes := s.town.changes
		s.minutes(30) // and the upgrade that was rolled back does not come again
		if s.town.changes != changes {
			t.Errorf("%d changes after the rollback\n%s", s.town.changes-changes, s.last)
		}
	})
}

func TestRollbackAfterTheEnd(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.upgraded()
		s.ask(v1alpha1.AnnotationRollback, "1")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationRollback + "=1") })
		s.checkEnd(Succeeded, oldRelease.Kubernetes)
		s.ask(v1alpha1.AnnotationUpgradeTo, "")
		s.upgradedAgain()
	})
}

func (s *simulation) upgradedAgain() {
	s.tick()
	s.ask(v1alpha1.AnnotationRollback, "2") // back from the way back
	s.until(func() bool { return s.ended(v1alpha1.AnnotationRollback + "=2") })
	s.checkEnd(Succeeded, newRelease.Kubernetes)
}

func TestRollbackToNothingIsRefused(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationRollback, "1")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationRollback + "=1") })
		s.checkEnd(Refused, oldRelease.Kubernetes)
	})
}

func TestAbortByAnnotation(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationAbort, "an old one")
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		s.minutes(3)
		if s.town.pool.Status.Cycle == nil {
			t.Fatalf("an old abort keeps a run from beginning:\n%s", s.last)
		}
		s.ask(v1alpha1.AnnotationAbort, "now")
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.checkEnd(Aborted, "")
		s.minutes(30)
		if s.town.pool.Status.Cycle != nil {
			t.Fatal("the aborted request was taken up again")
		}
		s.ask(v1alpha1.AnnotationAbort, "")
		s.until(func() bool {
			return s.town.pool.Status.Cycle == nil && s.town.pool.Status.LastCycle.Outcome == Succeeded
		})
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

// A size that somebody types into the console in mid-run is what the pool ends
// with.
func TestConsoleResizeIsAdopted(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.endsAtTypedSize(2, 9)
	})
}

// endsAtTypedSize types a size so many minutes into a run, which succeeds at it.
func (s *simulation) endsAtTypedSize(minutes, size int) {
	s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
	s.minutes(minutes)
	s.resized = true
	s.cloud.SetSize(s.id, size)
	s.until(func() bool { return s.ended(upgradeRequest) })
	s.set.size = size
	s.checkEnd(Succeeded, newRelease.Kubernetes)
}

func TestCanaryGoesFirst(t *testing.T) {
	count := int32(1)
	set := with("", func(s *v1alpha1.CycleSpec) {
		s.Canary = &v1alpha1.CanarySpec{Count: &count, Soak: minutesLong(20)}
	})
	set.surge = intstr.FromInt32(3)
	pass(t, set, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		s.until(s.waitsFor(CanarySoak))
		began := time.Now()
		if all, _ := s.look().Counts(); all.Instances > 4 {
			t.Errorf("%d machines for a canary of one", all.Instances)
		}
		// The canary falls ill: the rest does not follow, and follows when it is well.
		sick := ""
		for name, n := range s.town.nodes {
			if n.Status.NodeInfo.KubeletVersion == newRelease.Kubernetes {
				sick = name
			}
		}
		s.edit(sick, func(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionTrue })
		s.minutes(40)
		if !s.waitsFor(CanaryUnwell)() {
			t.Fatalf("the canary is ill and the plan is\n%s", s.last)
		}
		s.edit(sick, func(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionFalse })
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.checkEnd(Succeeded, newRelease.Kubernetes)
		if took := time.Since(began); took < time.Hour {
			t.Errorf("it took %s with 40 minutes of illness and 20 of soak", took)
		}
	})
}

func TestRampGrowsWithSuccess(t *testing.T) {
	set := with("", func(s *v1alpha1.CycleSpec) { s.Ramp = &v1alpha1.RampSpec{} })
	set.size, set.pods, set.minAvailable, set.surge = 12, 12, 8, intstr.FromInt32(6)
	pass(t, set, func(t *testing.T, s *simulation) {
		most := map[int32]int{}
		s.set.edit = func(s *simulation, _ int) {
			if run := s.town.pool.Status.Cycle; run != nil {
				going := 0
				for _, n := range s.look().Nodes {
					if n.Mark != nil && !goingAway(n) {
						going++
					}
				}
				most[run.Replaced] = max(most[run.Replaced], going)
			}
		}
		s.upgraded()
		for replaced, going := range most {
			if going > int(replaced)+1 {
				t.Errorf("%d at once after %d successes", going, replaced)
			}
		}
		if most[0] != 1 || len(most) < 4 {
			t.Errorf("at once after each number of successes: %v", most)
		}
	})
}

// Blue-green has no ladder: it is all new nodes or none, whatever leave there is.
func TestBlueGreenWaitsForRoom(t *testing.T) {
	pass(t, with(v1alpha1.StrategyBlueGreen, blueGreen, func(s *v1alpha1.CycleSpec) {
		s.Fallback = &v1alpha1.FallbackSpec{Unavailable: true, BootVolume: true}
	}), func(t *testing.T, s *simulation) {
		s.cloud.SetCapacity("ZONE-1", 0)
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		s.minutes(40)
		if run := s.town.pool.Status.Cycle; run == nil || run.Rung != rungWaiting || strings.Contains(s.calls(), "ReplaceBootVolume") {
			t.Fatalf("run %+v, calls %s", run, s.calls())
		}
		s.cloud.SetCapacity("ZONE-1", -1)
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

// The ladder: what does not fit as a whole goes in parts.
func TestLadder(t *testing.T) {
	for _, c := range []struct {
		name     string
		capacity int
		fallback *v1alpha1.FallbackSpec
		rung     string
		ends     bool
	}{
		{"room for two of four", 2, nil, rungHalf, true},
		{"room for one of four", 1, nil, rungOne, true},
		{"no room, no leave", 0, nil, rungWaiting, false},
		{"no room, leave to be one short", 0, &v1alpha1.FallbackSpec{Unavailable: true}, rungUnavailable, true},
		{"no room, leave for boot volumes", 0, &v1alpha1.FallbackSpec{BootVolume: true}, rungBootVolume, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := with("", func(s *v1alpha1.CycleSpec) { s.Fallback = c.fallback })
			set.size, set.pods, set.minAvailable, set.surge = 6, 6, 4, intstr.FromInt32(4)
			pass(t, set, func(t *testing.T, s *simulation) {
				s.cloud.SetCapacity("ZONE-1", c.capacity)
				seen := map[string]bool{}
				s.set.edit = func(s *simulation, tick int) {
					if run := s.town.pool.Status.Cycle; run != nil {
						seen[run.Rung] = true
					}
					if tick == 500 && !c.ends {
						s.cloud.SetCapacity("ZONE-1", -1) // and goes on by itself
					}
				}
				s.upgraded()
				if !seen[c.rung] || seen[rungWaiting] && c.rung != rungWaiting {
					t.Errorf("rungs %v, want %s", seen, c.rung)
				}
			})
		})
	}
}

// Leave to be one node short, or to renew boot volumes, may be withdrawn while a run makes
// use of it: what has begun is finished, nothing new is begun without a node in its place,
// and there is no room for one (seeds 24 and 300510 of the simulation).
func TestLeaveIsWithdrawn(t *testing.T) {
	for rung, leave := range map[string]v1alpha1.FallbackSpec{rungUnavailable: {Unavailable: true}, rungBootVolume: {BootVolume: true}} {
		t.Run(rung, func(t *testing.T) {
			set := with("", func(s *v1alpha1.CycleSpec) { s.Fallback = &leave })
			set.size, set.pods, set.minAvailable = 6, 6, 4
			pass(t, set, func(t *testing.T, s *simulation) {
				s.cloud.SetCapacity("ZONE-1", 0)
				s.ask(v1alpha1.AnnotationUpgradeTo, newRelease.Kubernetes)
				s.until(func() bool { return s.open() < s.set.size })
				s.change(func(p *v1alpha1.Pool) { p.Spec.Cycle.Fallback = nil })
				s.minutes(20) // what has begun comes to its end
				open := s.open()
				s.minutes(60)
				if run := s.town.pool.Status.Cycle; run == nil || run.Rung != rungWaiting || s.open() != open {
					t.Errorf("%d nodes take pods, %d did before; the run is %+v", s.open(), open, run)
				}
				s.cloud.SetCapacity("ZONE-1", -1)
				s.until(func() bool { return s.ended(upgradeRequest) })
				s.checkEnd(Succeeded, newRelease.Kubernetes)
			})
		})
	}
}
