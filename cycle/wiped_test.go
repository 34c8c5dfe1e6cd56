package cycle

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Whoever wipes the status of a Pool in the middle of its run takes nothing but words:
// the run goes on, and the pool ends with the size that it had.
func TestAWipedRecordIsWrittenAgain(t *testing.T) {
	for name, wipe := range map[string]func(*v1alpha1.Pool){
		"the run":          func(p *v1alpha1.Pool) { p.Status.Cycle = nil },
		"the whole status": func(p *v1alpha1.Pool) { p.Status = v1alpha1.PoolStatus{} },
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
				s.until(func() bool { return s.look().Cloud.Size > small.size })
				began := s.town.pool.Status.Cycle.StartedAt
				s.change(wipe)
				s.until(func() bool { return s.ended(upgradeRequest) })
				s.checkEnd(Succeeded, newRelease.Kubernetes)
				if last := s.town.pool.Status.LastCycle; !last.StartedAt.Equal(&began) {
					t.Errorf("the run that has ended began at %s, the first at %s", last.StartedAt, began)
				}
			})
		})
	}
}

// What is no wipe: a run that this process has ended, also if an old copy of the Pool or
// none of its records shows it; one that a record says is over; a Pool that is another.
func TestWhatIsNoWipe(t *testing.T) {
	run := &v1alpha1.CycleStatus{Request: "a=1", StartedAt: metav1.Now()}
	with := func(run *v1alpha1.CycleStatus, last *v1alpha1.LastCycleStatus) *v1alpha1.Pool {
		return &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{UID: "1"}, Status: v1alpha1.PoolStatus{Cycle: run, LastCycle: last}}
	}
	over := &v1alpha1.LastCycleStatus{Request: run.Request, StartedAt: run.StartedAt}
	later := &v1alpha1.LastCycleStatus{Request: "b=1", StartedAt: metav1.NewTime(run.StartedAt.Add(time.Hour))}
	other := with(nil, nil)
	other.UID = "2"
	for name, c := range map[string]struct {
		ended bool
		then  []*v1alpha1.Pool
		want  bool
	}{
		"it is gone":                  {false, []*v1alpha1.Pool{with(nil, nil)}, true},
		"it is gone still":            {false, []*v1alpha1.Pool{with(nil, nil), with(nil, nil)}, true},
		"another run has ended":       {false, []*v1alpha1.Pool{with(nil, &v1alpha1.LastCycleStatus{Request: "b=1"})}, true},
		"a later one has ended":       {false, []*v1alpha1.Pool{with(nil, later)}, false},
		"it was ended here":           {true, []*v1alpha1.Pool{with(nil, nil)}, false},
		"it was, and an old copy":     {true, []*v1alpha1.Pool{with(run, nil), with(nil, nil)}, false},
		"it is over, by the record":   {false, []*v1alpha1.Pool{with(nil, over)}, false},
		"the Pool is made anew":       {false, []*v1alpha1.Pool{other}, false},
		"there was none in the first": {true, []*v1alpha1.Pool{with(nil, nil), with(nil, nil)}, false},
	} {
		b := &ledger{}
		if b.read(with(run, nil)) {
			t.Errorf("%s: a run that is there is wiped", name)
		}
		if c.ended {
			b.end(run)
		}
		wiped := false
		for _, p := range c.then {
			wiped = b.read(p)
		}
		if wiped != c.want {
			t.Errorf("%s: wiped %t, want %t", name, wiped, c.want)
		}
	}
}
