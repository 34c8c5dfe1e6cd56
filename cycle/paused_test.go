package cycle

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// open are the nodes that take pods.
func (s *simulation) open() int {
	count := 0
	for _, n := range s.town.nodes {
		if !n.Spec.Unschedulable && n.DeletionTimestamp == nil {
			count++
		}
	}
	return count
}

// room sets how many more machines each zone has.
func (s *simulation) room(n int) {
	for i := range s.set.zones {
		s.cloud.SetCapacity(cloudprovider.Zone(fmt.Sprintf("ZONE-%d", i+1)), n)
	}
}

// A person pauses an upgrade because something looks wrong, and then comes the load. The
// pause stops what disturbs: pods that need nodes get them, as in a paused pool without
// a run, and nothing else happens before it ends.
func TestAPausedPoolGrows(t *testing.T) {
	set := small
	set.minAvailable = set.pods // nothing leaves: one node stays cordoned
	pass(t, set, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationUpgradeTo, newRelease.Kubernetes)
		s.until(func() bool { return s.town.pool.Status.Cycle != nil && s.open() < len(s.town.nodes) })
		s.minutes(5)
		s.ask(v1alpha1.AnnotationPause, "true")
		s.minutes(1)
		cordoned, desired := len(s.town.nodes)-s.open(), int(s.town.pool.Status.Cycle.Desired)+3
		if err := kube.RaiseDesired(t.Context(), s.town, s.town.pool, desired); err != nil {
			t.Fatal(err)
		}
		s.minutes(5)
		if s.open() != desired || len(s.town.nodes)-s.open() != cordoned {
			t.Errorf("%d nodes take pods, of %d that there are and %d that are desired; %d were cordoned before:\n%s", s.open(), len(s.town.nodes), desired, cordoned, s.last)
		}
		calls := s.calls()
		s.minutes(60)
		if got := s.calls(); got != calls || !s.waitsFor(Paused)() {
			t.Errorf("for an hour of the pause the cloud was asked for %q, %q before:\n%s", got, calls, s.last)
		}
		s.town.minAvailable = 0
		s.ask(v1alpha1.AnnotationPause, "")
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.set.size = desired
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

// There may be no room for what a paused pool is to grow by: it is taken back and asked
// for later, as in a run that goes on.
func TestAPausedPoolTakesBackWhatHasNoRoom(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationUpgradeTo, newRelease.Kubernetes)
		s.until(func() bool { return s.town.pool.Status.Cycle != nil })
		s.ask(v1alpha1.AnnotationPause, "true")
		s.minutes(2)
		full := s.look().Cloud.Size
		s.room(0)
		desired := full + 2
		if err := kube.RaiseDesired(t.Context(), s.town, s.town.pool, desired); err != nil {
			t.Fatal(err)
		}
		s.until(func() bool { return s.town.pool.Status.Cycle.SurgeRetryAt != nil })
		s.minutes(1)
		if size := s.look().Cloud.Size; size != full {
			t.Errorf("the size is %d, there is room for %d:\n%s", size, full, s.last)
		}
		s.room(-1)
		s.until(func() bool { return s.open() >= desired })
		s.ask(v1alpha1.AnnotationPause, "")
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.set.size = desired
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

// A run whose new nodes have failed to join stands still in a pause as well, and says
// that rather than that it is paused: scaling looks for another pool by it. OKE that has
// the pool in hand gives it no other size.
func TestAPausedPoolThatCannotGrow(t *testing.T) {
	now := time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC)
	began := metav1.NewTime(now.Add(-time.Hour))
	for name, c := range map[string]struct {
		run  v1alpha1.CycleStatus
		busy bool
		wait Reason
		grow bool
	}{
		"grows":           {v1alpha1.CycleStatus{}, true, Paused, true},
		"failed joins":    {v1alpha1.CycleStatus{FailedJoins: []string{"a", "b", "c"}}, false, JoinFailures, false},
		"OKE is at work":  {v1alpha1.CycleStatus{Strategy: v1alpha1.StrategyDelegate, DelegatedAt: &began}, true, Paused, false},
		"OKE has done it": {v1alpha1.CycleStatus{Strategy: v1alpha1.StrategyDelegate, DelegatedAt: &began}, false, Paused, true},
		"no room yet":     {v1alpha1.CycleStatus{SurgeRetryAt: &metav1.Time{Time: now.Add(time.Minute)}}, false, Paused, false},
	} {
		c.run.Request, c.run.StartedAt, c.run.Desired, c.run.NodePoolID = v1alpha1.AnnotationCycle+"=now", began, 4, "p"
		pool := &world.Pool{Name: "workers", Cloud: cloudprovider.NodePool{ID: "p", Size: 2, Health: cloudprovider.Health{Updating: c.busy}}, Object: &v1alpha1.Pool{
			ObjectMeta: metav1.ObjectMeta{Name: "workers", Annotations: map[string]string{v1alpha1.AnnotationPause: "true", v1alpha1.AnnotationCycle: "now"}},
			Spec:       v1alpha1.PoolSpec{NodePoolID: "p", Cycle: &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand}},
			Status:     v1alpha1.PoolStatus{Cycle: &c.run},
		}}
		plan := Decide(&world.Snapshot{Now: now, Pools: []*world.Pool{pool}}, Policy{})
		if grows := len(plan.Steps) == 1 && plan.Steps[0].Kind == Surge && plan.Steps[0].To == 4; grows != c.grow || len(plan.Steps) > 1 {
			t.Errorf("%s: decided %v", name, plan.Steps)
		}
		if w := plan.Pools[0].Wait; w == nil || w.Reason != c.wait {
			t.Errorf("%s: waits for %v; want %s", name, w, c.wait)
		}
	}
}
