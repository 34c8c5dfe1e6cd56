package cycle

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// edit changes a Node as somebody else would.
func (s *simulation) edit(name string, change func(*corev1.Node)) {
	next := s.town.nodes[name].DeepCopy()
	change(next)
	s.town.stamp(next)
	s.town.nodes[name] = next
}

func (s *simulation) anyNode() string {
	for _, n := range s.look().Nodes {
		return n.Name()
	}
	s.t.Fatalf("no node")
	return ""
}

func (s *simulation) minutes(n int) {
	for range 6 * n {
		s.tick()
	}
}

const diskFull = "doctor/replace/disk-full/2026-03-01T11:49:00Z"

func TestRepairReplacesOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		next := s.town.pool.DeepCopy()
		next.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn}
		s.town.stamp(next)
		s.town.pool = next
		sick := s.anyNode()
		s.edit(sick, func(n *corev1.Node) {
			n.Status.Conditions[1].Status = corev1.ConditionTrue
			n.Annotations[v1alpha1.AnnotationCycle] = diskFull
		})
		s.until(func() bool {
			return s.ended("node/" + sick + ":" + v1alpha1.AnnotationCycle + "=" + diskFull)
		})
		s.checkEnd(Succeeded, "")
		if s.town.nodes[sick] != nil {
			t.Error("the sick node is still there")
		}
		if got := s.town.pool.Status.LastCycle.Replaced; got != 1 {
			t.Errorf("replaced = %d, want 1", got)
		}
	})
}

func TestScaleDownIsCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		s.town.watch = nil // scale cordons without a run, as it should
		next := s.town.pool.DeepCopy()
		next.Spec.Scale = &v1alpha1.ScaleSpec{MaxSize: 5}
		s.town.stamp(next)
		s.town.pool = next
		gone := s.anyNode()
		s.edit(gone, func(n *corev1.Node) {
			kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseScaleDown, Reason: "Underused", Since: time.Now()}))
		})
		s.until(func() bool { return s.town.nodes[gone] == nil })
		if p := s.look(); p.Cloud.Size != 2 || p.Run() != nil {
			t.Errorf("size %d, run %+v", p.Cloud.Size, p.Run())
		}
		if left := s.clean(); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})
}

// Scaling that needs more nodes in mid-run raises the desired size.
func TestGrowthInMidRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		s.minutes(2)
		if err := kube.RaiseDesired(t.Context(), s.town, s.town.pool, 5); err != nil {
			t.Fatal(err)
		}
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.set.size = 5
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

func TestPauseStopsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		s.minutes(3)
		s.ask(v1alpha1.AnnotationPause, "true")
		s.minutes(1) // the status says so
		calls, changes := len(s.writes()), s.town.changes
		s.minutes(30)
		if len(s.writes()) != calls || s.town.changes != changes {
			t.Errorf("%d calls and %d changes while paused", len(s.writes())-calls, s.town.changes-changes)
		}
		s.ask(v1alpha1.AnnotationPause, "")
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

func (s *simulation) writes() []string {
	var out []string
	for _, c := range s.cloud.Calls() {
		if c.Op == "Resize" || c.Op == "Delete" || c.Op == "SetRelease" {
			out = append(out, c.Op)
		}
	}
	return out
}

// A cloud that throttles, refuses and loses answers delays a run and breaks
// nothing.
func TestCloudFailuresPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		s.flaky = 200
		s.upgraded()
		if s.flaky > 160 {
			t.Errorf("only %d calls met trouble", 200-s.flaky)
		}
	})
}

func TestEventsAndMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		recorder := events.NewFakeRecorder(1000)
		s.loop.Events = recorder
		registry := prometheus.NewRegistry()
		s.loop.Register(registry)
		s.upgraded()
		seen := map[string]int{}
		for len(recorder.Events) > 0 {
			seen[strings.Fields(<-recorder.Events)[1]]++
		}
		for reason, want := range map[string]int{"ReleaseSet": 1, "CycleStarted": 1, "NodeCordoned": 3, "NodeDraining": 3, "NodeDrained": 3, "InstanceDeleted": 3, "CycleFinished": 1} {
			if seen[reason] != want {
				t.Errorf("%d events %s, want %d (%v)", seen[reason], reason, want, seen)
			}
		}
		if got := figure(t, registry, "tidemill_cycle_replaced_total"); got != 3 {
			t.Errorf("replaced_total = %v, want 3", got)
		}
		if got := figure(t, registry, "tidemill_cycle_evictions_total"); got < 6 {
			t.Errorf("evictions_total = %v, want 6 or more", got)
		}
	})
}

// figure is the sum over a counter's labels.
func figure(t *testing.T, r *prometheus.Registry, name string) float64 {
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestRunStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, small)
		wake := make(chan struct{}, 1)
		s.loop.Wake, s.loop.Interval = wake, time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.loop.Run(ctx) }()
		synctest.Wait()
		s.ask(v1alpha1.AnnotationCycle, "now")
		wake <- struct{}{}
		synctest.Wait()
		if s.town.pool.Status.Cycle == nil {
			t.Error("woken, the loop did not look")
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}
