package sim

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/sim/model"
)

// twoLeaders is a leader whose elections get no answer and who does not notice
// for ten minutes, while another takes over and both have a cycle to do.
func twoLeaders(w *World) {
	w.mix.replicas = 2
	w.procs[0].deaf = time.Now().Add(10 * time.Minute)
	for range w.pools {
		w.annotate(v1alpha1.AnnotationCycle, "two")
	}
	w.load(1)
	for began := time.Now(); w.ok() && time.Since(began) < 10*time.Minute; {
		w.gentle()
	}
}

func TestTwoLeadersFenced(t *testing.T) {
	o := options(1)
	o.Gentle, o.Zombies, o.Story = true, true, twoLeaders
	if r := Run(t, o); r.Violation != nil || r.Kept[keepLeader] < 20 {
		t.Errorf("%s; %d writes by leaders", r, r.Kept[keepLeader])
	}
}

// Without the fence the same story must fail, or it proves nothing.
func TestTwoLeadersUnfenced(t *testing.T) {
	o := options(1)
	o.Gentle, o.Zombies, o.Unfenced, o.Story = true, true, true, twoLeaders
	if r := Run(t, o); r.Violation == nil || r.Violation.Promise != keepLeader {
		t.Errorf("nothing was found without the fence: %s", r)
	}
}

// heldUp is a leader that stands still with an order for the cloud under way, until
// another leads; or is asked to go.
func heldUp(happens func(*process)) func(*World) {
	return func(w *World) {
		w.mix.replicas = 2
		for range w.pools {
			w.annotate(v1alpha1.AnnotationCycle, "held up")
		}
		for began, done := time.Now(), false; w.ok() && time.Since(began) < 5*time.Minute; w.gentle() {
			synctest.Wait() // what is wanted next is wanted by now
			if o := w.pick(func(o *op) bool { return o.cloud != nil && poolIn(o.cloud) != "" }); o != nil && !done {
				happens(o.p)
				done = true
			}
		}
	}
}

// An order that is under way when the right to write ends must not land after it: the
// fence looks at requests before they are sent, and a process may stand still then.
func TestOrdersUnderWayEndWithTheLease(t *testing.T) {
	for name, happens := range map[string]func(*process){
		"stands still":   func(p *process) { p.frozen = time.Now().Add(25 * time.Second) },
		"is asked to go": func(p *process) { p.term() },
	} {
		o := options(1)
		o.Gentle, o.Zombies, o.Story = true, true, heldUp(happens)
		if r := Run(t, o); r.Violation != nil || r.Kept[keepLeader] < 20 {
			t.Errorf("%s: %s; %d writes by leaders", name, r, r.Kept[keepLeader])
		}
	}
}

// A time without a leader that a sleeping world never looked at is one all the same:
// only who takes the Lease, or finds none, shows it.
func TestElectionsShowATimeWithoutALeader(t *testing.T) {
	now := time.Now()
	by := func(holder string, ago time.Duration) *coordinationv1.Lease {
		return &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &metav1.MicroTime{Time: now.Add(-ago)}}}
	}
	next := by("b", 0)
	for name, c := range map[string]struct {
		lease  string
		commit model.Commit
		gap    bool
	}{
		"renewed in time":      {"tidemill", model.Commit{Old: by("b", 10*time.Second), Next: next}, false},
		"a node's lease":       {"10.0.0.7", model.Commit{Old: by("b", time.Hour), Next: next}, false},
		"run out, and taken":   {"tidemill", model.Commit{Old: by("a", time.Minute), Next: next}, true},
		"run out, and renewed": {"tidemill", model.Commit{Old: by("b", time.Minute), Next: next}, true},
		"given back, taken":    {"tidemill", model.Commit{Old: by("", time.Second), Next: next}, true},
		"deleted":              {"tidemill", model.Commit{Old: by("a", time.Second)}, true},
		"made":                 {"tidemill", model.Commit{Next: next}, true},
	} {
		var w World
		w.mix.lease = leases[0]
		if w.watchElection(c.commit, c.lease); w.led.IsZero() == c.gap {
			t.Errorf("%s: led since %v", name, w.led)
		}
	}
}

// pick is one of the ops that wait, nil if there is none of the kind.
func (w *World) pick(which func(*op) bool) *op {
	ops := w.ops()
	if at := slices.IndexFunc(ops, which); at >= 0 {
		return ops[at]
	}
	return nil
}
