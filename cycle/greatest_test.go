package cycle

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// typedAtDeath runs until the process dies at its k-th change, types a size before the
// next one is there, and says whether it came to that.
func (s *simulation) typedAtDeath(k int, after bool, size int) bool {
	typed := false
	s.set.edit = func(s *simulation, _ int) {
		if s.town.dead && !typed && s.town.pool.Status.Cycle != nil {
			typed, s.resized = true, true
			s.cloud.SetSize(s.id, size)
		}
	}
	s.town.killAt, s.town.after = s.town.changes+k, after
	s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
	s.until(func() bool { return s.ended(upgradeRequest) })
	return typed
}

// A size that is typed between two leaders is adopted by the second if the run cannot
// have asked for it, wherever the first has died: also between the record of a run and
// its first deed, when the record was made on an older look.
func TestResizeBetweenLeaders(t *testing.T) {
	for name, set := range map[string]setting{
		"surge": with(""), "in place": with(v1alpha1.StrategyInPlace), "blue-green": with(v1alpha1.StrategyBlueGreen, blueGreen),
	} {
		t.Run(name, func(t *testing.T) {
			set.pods, set.minAvailable = 0, 0
			for _, size := range []int{2*set.size + 1, set.size - 2} {
				typed := 0
				for k := 1; k <= 60; k += 4 {
					for _, after := range []bool{true, false} {
						synctest.Test(t, func(t *testing.T) {
							s := newSimulation(t, set)
							if !s.typedAtDeath(k, after, size) {
								return
							}
							typed++
							if have := s.look().Cloud.Size; have != size {
								t.Errorf("size %d was typed when the leader had died at change %d (made: %v), and the run has ended with %d", size, k, after, have)
							}
						})
					}
				}
				if typed < 5 {
					t.Errorf("size %d was typed in %d runs only", size, typed)
				}
			}
		})
	}
}

// The run's record was made on a look that did not show what was typed just then: one
// machine more is enough, since nothing has been asked for yet.
func TestResizeBetweenLookAndRecord(t *testing.T) {
	for name, c := range map[string]struct {
		old  bool // the record is one of an older version
		want int
	}{
		"a record with its greatest size": {want: small.size + 1},
		"one of an older version":         {old: true, want: small.size},
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
				s.until(func() bool { return s.town.pool.Status.Cycle != nil })
				s.start()
				if c.old {
					s.change(func(p *v1alpha1.Pool) { p.Status.Cycle.Greatest = 0 })
				}
				s.resized = true
				s.cloud.SetSize(s.id, small.size+1)
				s.until(func() bool { return s.ended(upgradeRequest) })
				s.set.size = c.want
				s.checkEnd(Succeeded, newRelease.Kubernetes)
			})
		})
	}
}

// No size is asked for that is not on record, also when just that write fails; the
// promise is watched with every order.
func TestNoSurgeWithoutRecord(t *testing.T) {
	for k := 1; k <= 10; k++ {
		pass(t, small, func(t *testing.T, s *simulation) {
			s.town.killAt, s.town.survives = s.town.changes+k, true
			s.upgraded()
		})
	}
}

// A size that stands beyond the record is not known for sure before it was taken over:
// a record that could not be written is tried again.
func TestSizeBeyondRecord(t *testing.T) {
	for name, c := range map[string]struct {
		greatest, size int
		adopted        bool
	}{
		"a record of an older version": {greatest: 0, size: 30},
		"a surge":                      {greatest: 12, size: 12},
		"fewer":                        {greatest: 12, size: 4},
		"one more than ever asked for": {greatest: 12, size: 13, adopted: true},
	} {
		t.Run(name, func(t *testing.T) {
			pool := &world.Pool{Object: &v1alpha1.Pool{}}
			pool.Object.Status.Cycle = &v1alpha1.CycleStatus{Desired: 9, Greatest: int32(c.greatest)}
			pool.Cloud.Size = c.size
			k := &known{refused: map[Kind]refused{}}
			for look := range 2 {
				z, _ := k.compare(pool)
				d := newDecision(&world.Snapshot{Now: time.Now()}, pool, Policy{Sizes: map[cloudprovider.PoolID]Sizing{"": z}})
				if look == 0 && !c.adopted {
					d.policy.Sizes = nil // nothing is known at a first look
				}
				d.adopt(d.report.Cycle)
				if len(d.steps) > 0 != c.adopted {
					t.Fatalf("look %d: %+v: steps %v, want adopted %v", look, z, d.steps, c.adopted)
				}
				if c.adopted && (d.report.Cycle.Desired != 13 || d.report.Cycle.Greatest != 13) {
					t.Errorf("the record is %+v", d.report.Cycle)
				}
				if look == 1 && c.adopted {
					pool.Object.Status.Cycle, pool.Cloud.Size = d.report.Cycle, 11
					(&Loop{known: map[cloudprovider.PoolID]*known{"": k}}).learn(d.steps[0], nil)
				}
			}
			if z, known := k.compare(pool); c.adopted && (!known || z != Sizing{Expected: 13}) {
				t.Errorf("of a size that was taken over is known %v: %+v", known, z)
			}
		})
	}
}
