package cycle

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// A size that somebody types in mid-run is what the pool ends with, whatever else
// happens in that moment.
func TestResizeIsAdoptedInAnyMoment(t *testing.T) {
	typed := func(by int) func(*simulation) int {
		return func(s *simulation) int {
			pool := s.look()
			size := pool.Cloud.Size + by
			s.resized = true
			s.cloud.SetSize(s.id, size)
			return size
		}
	}
	for name, c := range map[string]struct {
		from    time.Duration // after the request
		meddle  func(*simulation) int
		request string // the run at whose end the pool is looked at; "" is the first
	}{
		"in a pause": {2 * time.Minute, func(s *simulation) int {
			s.ask(v1alpha1.AnnotationPause, "true")
			s.minutes(1)
			size := typed(3)(s)
			s.minutes(10)
			s.ask(v1alpha1.AnnotationPause, "")
			return size
		}, ""},
		"with a newer request": {30 * time.Second, func(s *simulation) int {
			size := typed(3)(s)
			s.ask(v1alpha1.AnnotationUpgradeTo, "")
			s.ask(v1alpha1.AnnotationCycle, "newer")
			return size
		}, v1alpha1.AnnotationCycle + "=newer"},
		"with an abort": {30 * time.Second, func(s *simulation) int {
			size := typed(3)(s)
			s.ask(v1alpha1.AnnotationAbort, "enough")
			return size
		}, ""},
		"with a record that cannot be written": {30 * time.Second, func(s *simulation) int {
			s.town.killAt, s.town.survives = s.town.changes+1, true
			return typed(3)(s)
		}, ""},
		"while the cloud does not answer": {30 * time.Second, func(s *simulation) int {
			s.flaky = 8
			return typed(3)(s)
		}, ""},
		"by one, with deletions in the last minutes": {2 * time.Minute, typed(1), ""},
		"by one, at the very end": {30 * time.Second, func(s *simulation) int {
			s.until(func() bool { run := s.town.pool.Status.Cycle; return run != nil && run.Stale == 0 })
			return typed(1)(s)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
				for began := time.Now(); time.Since(began) < c.from; {
					s.tick()
				}
				want := c.meddle(s)
				request := c.request
				if request == "" {
					request = upgradeRequest
				}
				s.until(func() bool { return s.ended(request) })
				if pool := s.look(); pool.Cloud.Size != want {
					t.Errorf("size %d was typed, and the run has ended with %d", want, pool.Cloud.Size)
				}
			})
		})
	}
}

// An autoscaler that raises the pool's size says so in the run's record; the surge
// that is there besides is not what it wants.
func TestRaiseIsNoResize(t *testing.T) {
	pass(t, small, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		s.until(func() bool { return s.look().Cloud.Size > small.size }) // it has surged
		s.change(func(p *v1alpha1.Pool) { p.Status.Cycle.Desired += 2 })
		s.resized = true
		s.cloud.SetSize(s.id, s.look().Cloud.Size+2)
		s.until(func() bool { return s.ended(upgradeRequest) })
		s.set.size = small.size + 2
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

// So is a smaller one, and the machines that the cloud takes for it are no reason
// to think that it was the run.
func TestSmallerSizeIsAdopted(t *testing.T) {
	set := small
	set.size, set.pods, set.minAvailable = 6, 0, 0
	pass(t, set, func(t *testing.T, s *simulation) {
		s.endsAtTypedSize(3, 3)
	})
}

// A replica of the cloud that lags says what the size was before an order: that is
// nobody's edit before it had time to show.
func TestASizeFromBeforeAnOrderIsNobodysEdit(t *testing.T) {
	for name, c := range map[string]struct {
		ago     time.Duration // since the order, from 10 to 12
		size    int
		adopted bool
	}{
		"as ordered":                  {size: 12},
		"as before, a moment later":   {size: 10, ago: 15 * time.Second},
		"as before, minutes later":    {size: 10, ago: 3 * time.Minute, adopted: true},
		"another, a moment later":     {size: 11, ago: 15 * time.Second, adopted: true},
		"one more, a moment later":    {size: 13, ago: 15 * time.Second, adopted: true},
		"fewer than before the order": {size: 9, ago: 15 * time.Second, adopted: true},
	} {
		t.Run(name, func(t *testing.T) {
			pool := &world.Pool{Object: &v1alpha1.Pool{}}
			pool.Object.Status.Cycle = &v1alpha1.CycleStatus{Desired: 10}
			pool.Cloud.Size = 10
			l := &Loop{known: map[cloudprovider.PoolID]*known{}}
			k := l.knownOf("")
			k.compare(pool)
			l.learn(Step{Kind: Surge, To: 12}, nil)
			k.ordered, pool.Cloud.Size = k.ordered.Add(-c.ago), c.size
			sizes := map[cloudprovider.PoolID]Sizing{}
			if z, known := k.compare(pool); known {
				sizes[""] = z
			}
			d := newDecision(&world.Snapshot{Now: time.Now()}, pool, Policy{Sizes: sizes})
			if d.adopt(d.report.Cycle); len(d.steps) > 0 != c.adopted {
				t.Errorf("steps %v, want adopted %v", d.steps, c.adopted)
			}
		})
	}
}

// An order that failed leaves in doubt what the size is: a lagging answer is not what
// clears it, or the next one, of the size that was ordered before, would be an edit.
func TestALaggingSizeSettlesNoDoubt(t *testing.T) {
	for name, before := range map[string][]error{
		"the order was carried out, and another failed on what lags": {nil, cloudprovider.ErrConflict},
		"the order was carried out, and its answer lost":             {errors.New("connection reset")},
	} {
		t.Run(name, func(t *testing.T) {
			pool := &world.Pool{Object: &v1alpha1.Pool{}}
			pool.Object.Status.Cycle = &v1alpha1.CycleStatus{Desired: 10, Greatest: 12, Least: 10}
			pool.Cloud.Size = 10
			l := &Loop{known: map[cloudprovider.PoolID]*known{}}
			k := l.knownOf("")
			k.compare(pool)
			for _, err := range before {
				l.learn(Step{Kind: Surge, To: 12}, err)
			}
			if _, known := k.compare(pool); known {
				t.Error("a size that may lag is taken for known")
			}
			pool.Cloud.Size = 12
			z, known := k.compare(pool)
			sizes := map[cloudprovider.PoolID]Sizing{}
			if known {
				sizes[""] = z
			}
			d := newDecision(&world.Snapshot{Now: time.Now()}, pool, Policy{Sizes: sizes})
			if d.adopt(d.report.Cycle); len(d.steps) > 0 {
				t.Errorf("the run's own order was taken for somebody's edit: %v", d.steps)
			}
		})
	}
}

// What the leader before has ordered may show only after the first look of this one.
func TestAnOrderOfTheLeaderBeforeIsNobodysEdit(t *testing.T) {
	for name, c := range map[string]struct {
		ago     time.Duration // since the first look, at 10
		size    int
		adopted bool
	}{
		"as ordered":             {size: 12, ago: 15 * time.Second},
		"as ordered, much later": {size: 12, ago: 3 * time.Minute, adopted: true},
		"more than that":         {size: 13, ago: 15 * time.Second, adopted: true},
		"less than that":         {size: 11, ago: 15 * time.Second, adopted: true},
	} {
		t.Run(name, func(t *testing.T) {
			pool := &world.Pool{Object: &v1alpha1.Pool{}}
			pool.Object.Status.Cycle = &v1alpha1.CycleStatus{Desired: 10, Greatest: 12, Least: 10}
			pool.Cloud.Size = 10
			k := &known{refused: map[Kind]refused{}}
			k.compare(pool)
			k.since, pool.Cloud.Size = k.since.Add(-c.ago), c.size
			z, known := k.compare(pool)
			d := newDecision(&world.Snapshot{Now: time.Now()}, pool, Policy{Sizes: map[cloudprovider.PoolID]Sizing{"": z}})
			if d.adopt(d.report.Cycle); !known || len(d.steps) > 0 != c.adopted {
				t.Errorf("known %v, %+v: steps %v, want adopted %v", known, z, d.steps, c.adopted)
			}
		})
	}
}

// What a process may expect of the size, and what it may not wonder at.
func TestSizeExpected(t *testing.T) {
	for name, c := range map[string]struct {
		deletes   int // own, that do not show yet or do
		gone      int // that found nothing to delete
		terminate int // machines on their way out that tidemill has marked
		raised    int // by another writer of the record
		size      int // 10 was expected before
		adopted   bool
	}{
		"as expected":                     {size: 10},
		"two more":                        {size: 12, adopted: true},
		"two fewer":                       {size: 8, adopted: true},
		"own deletions that do not show":  {deletes: 2, size: 10},
		"and one more than those":         {deletes: 2, size: 11, adopted: true},
		"own deletions that show":         {deletes: 2, terminate: 2, size: 8},
		"and one fewer than those":        {deletes: 2, terminate: 2, size: 7, adopted: true},
		"deletions of who was here":       {terminate: 2, size: 8},
		"and one fewer than theirs":       {terminate: 2, size: 7, adopted: true},
		"taken by others, place and all":  {gone: 1, size: 9},
		"taken, and their places not":     {gone: 1, size: 10},
		"taken, and one fewer than that":  {gone: 1, size: 8, adopted: true},
		"raised, and the size followed":   {raised: 3, size: 13},
		"raised, and the size will":       {raised: 3, size: 10},
		"raised, and more than that":      {raised: 3, size: 14, adopted: true},
		"raised, and own deletions to be": {raised: 3, deletes: 2, size: 13},
	} {
		t.Run(name, func(t *testing.T) {
			pool := &world.Pool{Object: &v1alpha1.Pool{}}
			pool.Object.Status.Cycle = &v1alpha1.CycleStatus{Desired: 9}
			pool.Cloud.Size = 10
			k := &known{refused: map[Kind]refused{}}
			if _, known := k.compare(pool); known {
				t.Fatal("a process knows of a size that it has not seen before")
			}
			for range c.deletes {
				k.expected--
				k.deletes = append(k.deletes, time.Now())
			}
			for range c.gone {
				(&Loop{known: map[cloudprovider.PoolID]*known{"": k}}).learn(Step{Kind: DeleteInstance}, errWasGone)
			}
			for range c.terminate {
				pool.Nodes = append(pool.Nodes, &world.Node{Object: &corev1.Node{}, Mark: &kube.Mark{}, Instance: &cloudprovider.Instance{State: cloudprovider.Deleting}})
			}
			pool.Cloud.Size, pool.Object.Status.Cycle.Desired = c.size, int32(9+c.raised)
			z, known := k.compare(pool)
			d := newDecision(&world.Snapshot{Now: time.Now()}, pool, Policy{Sizes: map[cloudprovider.PoolID]Sizing{"": z}})
			d.adopt(d.report.Cycle)
			if !known || len(d.steps) > 0 != c.adopted {
				t.Errorf("known %v, %+v: steps %v, want adopted %v", known, z, d.steps, c.adopted)
			}
		})
	}
}
