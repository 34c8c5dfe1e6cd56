package cycle

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// Where a new boot volume brings what the node had, no run says that it has brought the
// pool's release, and no second node is emptied for that.
func TestBootVolumesInVain(t *testing.T) {
	pass(t, with(v1alpha1.StrategyBootVolume), func(t *testing.T, s *simulation) {
		s.town.keeps = true
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		s.until(s.waitsFor(ReleaseKept))
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.checkEnd(Refused, oldRelease.Kubernetes)
		last := s.town.pool.Status.LastCycle
		if !strings.Contains(last.Message, "still differs: kubernetes v1.33.1 → v1.34.1") || last.Replaced != 0 {
			t.Errorf("%d replaced: %s", last.Replaced, last.Message)
		}
		s.minutes(30)
		if s.boots != 1 || s.town.pool.Status.Cycle != nil {
			t.Errorf("%d boots, and the run is %v", s.boots, s.town.pool.Status.Cycle)
		}
		s.change(func(p *v1alpha1.Pool) { p.Spec.Cycle.Strategy = "" })
		s.ask(v1alpha1.AnnotationCycle, "as machines")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=as machines") })
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

// Mode Auto does not begin anew what was in vain because another run has been on
// meanwhile, and does when it is to be done in another way.
func TestAutoKeepsItsRefusal(t *testing.T) {
	for name, other := range map[string]func(*simulation) int{ // and how many boots it brings
		"a node that was asked for": func(s *simulation) int {
			n := s.anyNode()
			s.edit(n, func(o *corev1.Node) { o.Annotations[v1alpha1.AnnotationCycle] = "me" })
			s.until(func() bool { run := s.town.pool.Status.Cycle; return run != nil && single(run) })
			return 0 // it is replaced
		},
		"a turn-over that is refused": func(s *simulation) int {
			s.ask(v1alpha1.AnnotationUpgradeTo, "v9.9.9")
			s.until(func() bool { return s.ended(v1alpha1.AnnotationUpgradeTo + "=v9.9.9") })
			return 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, with(v1alpha1.StrategyBootVolume, func(s *v1alpha1.CycleSpec) { s.Mode = v1alpha1.CycleAuto }), func(t *testing.T, s *simulation) {
				s.town.keeps = true
				s.cloud.Configure(s.id, func(p *fake.Pool) { p.Release = newRelease })
				s.until(func() bool { last := s.town.pool.Status.LastCycle; return last != nil && last.Outcome == Refused })
				s.minutes(10)
				boots := s.boots + other(s)
				s.minutes(60)
				if s.boots != boots || s.town.pool.Status.Cycle != nil {
					t.Fatalf("%d boots, want %d; the run is %+v", s.boots, boots, s.town.pool.Status.Cycle)
				}
				s.ask(v1alpha1.AnnotationUpgradeTo, "")
				before := s.town.pool.Status.LastCycle.FinishedAt
				s.change(func(p *v1alpha1.Pool) { p.Spec.Cycle.Strategy = "" })
				s.until(func() bool {
					return s.town.pool.Status.LastCycle.FinishedAt != before && s.town.pool.Status.Cycle == nil
				})
				s.checkEnd(Succeeded, newRelease.Kubernetes)
			})
		})
	}
}

// A run that only falls back on new boot volumes does without them then, and waits for
// room.
func TestFallbackOnBootVolumesInVain(t *testing.T) {
	set := with("", func(s *v1alpha1.CycleSpec) { s.Fallback = &v1alpha1.FallbackSpec{BootVolume: true} })
	set.surge = intstr.FromInt32(1)
	pass(t, set, func(t *testing.T, s *simulation) {
		s.town.keeps = true
		s.cloud.SetCapacity("ZONE-1", 0)
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		s.until(s.waitsFor(ReleaseKept))
		s.minutes(40)
		if run := s.town.pool.Status.Cycle; run == nil || run.Rung != rungWaiting || s.boots != 1 {
			t.Fatalf("%d boots, and the run is %+v", s.boots, run)
		}
		s.cloud.SetCapacity("ZONE-1", -1)
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.checkEnd(Succeeded, newRelease.Kubernetes)
		if s.boots != 1 {
			t.Errorf("%d boots", s.boots)
		}
	})
}

// An image that the cloud tells late is no boot volume in vain.
func TestImageToldLate(t *testing.T) {
	pass(t, with(v1alpha1.StrategyBootVolume), func(t *testing.T, s *simulation) {
		s.town.tells = func(in *cloudprovider.Instance) {
			n := s.town.nodes[string(in.ID)]
			if n == nil {
				return
			}
			at := renewed(&world.Node{Object: n})
			if m, _ := kube.MarkOf(n); m != nil && m.Acted != nil {
				at = *m.Acted
			}
			if time.Since(at) < 4*time.Minute {
				in.Release.Image = oldRelease.Image
			}
		}
		s.upgraded()
		if s.boots != 3 {
			t.Errorf("%d boots, want 3", s.boots)
		}
	})
}
