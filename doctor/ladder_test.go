package doctor

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// tried puts attempts on n1's record: one for each action, the last of which
// ended so long ago, the others an hour earlier each.
func (c *clinic) tried(ended time.Duration, actions ...kube.RepairAction) {
	var record kube.RepairRecord
	for i, a := range actions {
		done := c.Now.Add(-ended - time.Duration(len(actions)-1-i)*time.Hour)
		record = append(record, kube.RepairAttempt{Action: a, Check: ready.ID, At: done.Add(-10 * time.Minute), Done: &done})
	}
	kube.SetRepairRecord(c.node("n1"), record)
}

// aborted is a node whose request for a repair was ended by a person's abort.
func (c *clinic) aborted(name string) {
	c.request(name, "doctor/reboot/ready/2026-03-01T11:49:00Z")
	c.pool().Annotations = map[string]string{v1alpha1.AnnotationAbort: "enough"}
	p := &world.Pool{Object: c.pool()}
	c.pool().Status.LastCycle = &v1alpha1.LastCycleStatus{AbortedNodes: []string{p.AbortKey(&world.Node{Object: c.node(name)})}}
}

func TestLadder(t *testing.T) {
	metal := func(c *clinic) { c.Cloud.Pools[0].Shape = "BM.GPU.H100.8" }
	human := map[RepairReason]bool{ReasonAttempts: true, ReasonExhausted: true, ReasonRecordUnreadable: true, ReasonAborted: true}
	only := func(a ...v1alpha1.RepairAction) func(*clinic) {
		return func(c *clinic) { c.pool().Spec.Repair.Actions = a }
	}
	for _, x := range []struct {
		name   string
		tell   func(c *clinic)
		action kube.RepairAction
		reason RepairReason
	}{
		{"first", func(c *clinic) {}, kube.RepairReboot, ""},
		{"rebooted, and not back", func(c *clinic) { c.tried(time.Minute, kube.RepairReboot) }, kube.RepairReplace, ""},
		{"bare metal is worth a boot volume", func(c *clinic) {
			metal(c)
			c.tried(21*time.Minute, kube.RepairReboot)
		}, kube.RepairReplaceBootVolume, ""},
		{"so is what may not be replaced", func(c *clinic) {
			only(v1alpha1.ActionReboot, v1alpha1.ActionReplaceBootVolume)(c)
			c.tried(21*time.Minute, kube.RepairReboot)
		}, kube.RepairReplaceBootVolume, ""},
		{"only replacement", only(v1alpha1.ActionReplace), kube.RepairReplace, ""},
		{"only reboots, in vain", func(c *clinic) {
			only(v1alpha1.ActionReboot)(c)
			c.tried(21*time.Minute, kube.RepairReboot)
		}, "", ReasonExhausted},
		{"three in a day", func(c *clinic) {
			c.tried(21*time.Minute, kube.RepairReboot, kube.RepairReboot, kube.RepairReplaceBootVolume)
		}, "", ReasonAttempts},
		{"one, and the pool allows no more", func(c *clinic) {
			one := int32(1)
			c.pool().Spec.Repair.MaxAttempts = &one
			c.tried(21*time.Minute, kube.RepairReboot)
		}, "", ReasonAttempts},
		{"three, one of them yesterday", func(c *clinic) {
			c.tried(23*time.Hour+30*time.Minute, kube.RepairReboot, kube.RepairReboot, kube.RepairReboot)
		}, kube.RepairReplace, ""},
		{"it had recovered, and breaks again", func(c *clinic) { c.tried(70*time.Minute, kube.RepairReboot); c.condemn("n1", 12*time.Minute) }, kube.RepairReplace, ""},
		{"it had recovered half an hour ago", func(c *clinic) { c.tried(30*time.Minute, kube.RepairReboot); c.condemn("n1", 12*time.Minute) }, "", ReasonCooldown},
		{"the record cannot be read", func(c *clinic) { c.node("n1").Annotations[v1alpha1.AnnotationRepairs] = "{" }, "", ReasonRecordUnreadable},
		{"a person has aborted it", func(c *clinic) { c.aborted("n1") }, "", ReasonAborted},
		{"a person has aborted it while it was taken back, and it is asked for again", func(c *clinic) {
			c.aborted("n1")
			request := world.NodeRequest(&world.Node{Object: c.node("n1")}, c.node("n1").Annotations[v1alpha1.AnnotationCycle])
			c.pool().Status.LastCycle = &v1alpha1.LastCycleStatus{Request: request, AbortSeen: "enough", FinishedAt: metav1.NewTime(c.Now)}
		}, "", ReasonAborted},
		{"never a node", func(c *clinic) {
			c.young("n1", 40*time.Minute)
			set(c.node("n1"), corev1.NodeReady, corev1.ConditionFalse, c.Now.Add(-40*time.Minute))
			c.condemnFor("n1", ready.ID, 20*time.Minute)
		}, kube.RepairReplace, ""},
		{"off", func(c *clinic) {
			c.instance("n1").State = cloudprovider.Stopped
			c.condemnFor("n1", instanceStopped.ID, 11*time.Minute)
		}, kube.RepairReplace, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := sickFor(5, time.Hour*2)
			x.tell(c)
			_, plan := c.decide(t)
			for _, r := range plan.Repairs {
				if r.Node.Name() == "n1" && (r.Action != x.action || r.Reason != x.reason) {
					t.Errorf("got %q %s %s, want %q %s", r.Action, r.Reason, r.Message, x.action, x.reason)
				}
			}
			if len(plan.Repairs) != 1 {
				t.Errorf("%d repairs", len(plan.Repairs))
			}
			asks := len(plan.Records[0].Human) > 0
			if want := human[x.reason]; asks != want {
				t.Errorf("a person is asked: %v, want %v", asks, want)
			}
		})
	}
}

// A machine that came back has its time until what was wrong is seen to be right,
// counted from the end of the action: only then did it not help.
func TestAnActionHasItsTimeToHelp(t *testing.T) {
	minute := func(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Minute} }
	for _, x := range []struct {
		name   string
		tell   func(c *clinic)
		ended  time.Duration
		reason RepairReason
	}{
		{"a virtual machine", func(*clinic) {}, 4 * time.Minute, ReasonSettling},
		{"a virtual machine, later", func(*clinic) {}, 6 * time.Minute, ReasonExhausted},
		{"bare metal", func(c *clinic) { c.Cloud.Pools[0].Shape = "BM.GPU.H100.8" }, 19 * time.Minute, ReasonSettling},
		{"bare metal, later", func(c *clinic) { c.Cloud.Pools[0].Shape = "BM.GPU.H100.8" }, 21 * time.Minute, ReasonExhausted},
		{"the pool's own time", func(c *clinic) { c.pool().Spec.Repair.Settle = minute(9) }, 8 * time.Minute, ReasonSettling},
		{"the pool's own time, later", func(c *clinic) { c.pool().Spec.Repair.Settle = minute(2) }, 3 * time.Minute, ReasonExhausted},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := aching(5) // Ready, and not well
			c.ache("n1", 2*time.Hour)
			x.tell(c)
			c.tried(x.ended, kube.RepairReboot)
			_, plan := c.decide(t)
			if r := repairOf(plan, "n1"); r == nil || r.Act != ActNone || r.Reason != x.reason {
				t.Errorf("got %+v, want %s", r, x.reason)
			}
		})
	}
}

// sickFor is a ward whose n1 is condemned for a while.
func sickFor(n int, ago time.Duration) *clinic {
	c := ward(n)
	c.condemn("n1", ago)
	return c
}

// A repair that goes through the executor's hands: asked for, taken up, ended,
// noted; the record has it all, and a daemon that knows nothing goes on from it.
func TestRecordThroughARepair(t *testing.T) {
	c := ward(5)
	change := func() Plan {
		t.Helper()
		c.history = NewHistory() // a restart at every look
		_, plan := c.decide(t)
		for _, r := range plan.Repairs {
			r.Change(c.node(r.Node.Name()))
		}
		for _, r := range plan.Records {
			c.pool().Status.Repair = r.Repair.DeepCopy()
		}
		return plan
	}
	if plan := change(); plan.Repairs[0].Act != ActRequest {
		t.Fatalf("got %+v, want a request", plan.Repairs[0])
	}
	n := c.node("n1")
	record := func() kube.RepairRecord {
		t.Helper()
		r, err := kube.RepairRecordOf(n)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := record(); len(r) != 1 || r[0].Action != kube.RepairReboot || r[0].Done != nil {
		t.Fatalf("record %+v, want one open reboot", r)
	}
	kube.SetMark(n, kube.Mark{Cause: kube.CauseRepair, Action: kube.RepairReboot})
	if plan := change(); plan.Repairs[0].Act != ActNone || len(c.pool().Status.Repair.Recent) != 1 {
		t.Fatalf("while it is carried out: %+v, %+v", plan.Repairs[0], c.pool().Status.Repair)
	}
	kube.AnswerRepair(n, "Renewed")
	kube.Unmark(n)
	delete(n.Annotations, v1alpha1.AnnotationCycle)
	if plan := change(); plan.Repairs[0].Act != ActNote {
		t.Fatalf("got %+v, want a note", plan.Repairs[0])
	}
	if r := record(); len(r) != 1 || r[0].Done == nil {
		t.Fatalf("record %+v, want it ended", r)
	}
	if plan := change(); plan.Repairs[0].Action != kube.RepairReplace {
		t.Errorf("it did not help: %+v, want a replacement", plan.Repairs[0])
	}
}

// What is withdrawn before anybody acted was no attempt.
func second(_ []Case, p Plan) Plan { return p }

// What nobody counts any more is taken off, and nothing else.
func TestOldRecordIsForgotten(t *testing.T) {
	c := newClinic(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
	n := c.addNode("n1")
	for _, x := range []struct {
		name   string
		at     time.Duration
		open   bool
		forget bool
	}{{"yesterday's", 25 * time.Hour, false, true}, {"today's", 23 * time.Hour, false, false}, {"one that has not ended", 25 * time.Hour, true, false}} {
		a := kube.RepairAttempt{Action: kube.RepairReboot, Check: ready.ID, At: c.Now.Add(-x.at)}
		if !x.open {
			a.Done = &a.At
		}
		kube.SetRepairRecord(n, kube.RepairRecord{a})
		forgets := false
		for _, r := range second(c.decide(t)).Repairs {
			if r.Act == ActForget {
				forgets = true
				r.Change(n)
			}
		}
		if _, left := n.Annotations[v1alpha1.AnnotationRepairs]; forgets != x.forget || left == x.forget {
			t.Errorf("%s: forgotten %v, left %v", x.name, forgets, left)
		}
	}
	// A new request keeps what counts, and only that.
	old, done := c.Now.Add(-30*time.Hour), c.Now.Add(-time.Hour)
	kube.SetRepairRecord(n, kube.RepairRecord{{Action: kube.RepairReboot, At: old, Done: &old}, {Action: kube.RepairReboot, At: done, Done: &done}})
	Repair{Act: ActRequest, Action: kube.RepairReplace, Now: c.Now}.Change(n)
	if record, err := kube.RepairRecordOf(n); err != nil || len(record) != 2 || record[0].At != done.UTC() {
		t.Errorf("record %+v, %v", record, err)
	}
}

func TestWithdrawnIsNoAttempt(t *testing.T) {
	c := ward(5)
	_, plan := c.decide(t)
	plan.Repairs[0].Change(c.node("n1"))
	c.ready(corev1.ConditionTrue, time.Second)
	_, plan = c.decide(t)
	if plan.Repairs[0].Act != ActWithdraw {
		t.Fatalf("got %+v", plan.Repairs[0])
	}
	plan.Repairs[0].Change(c.node("n1"))
	if a := c.node("n1").Annotations; a[v1alpha1.AnnotationRepairs] != "" || a[v1alpha1.AnnotationCycle] != "" {
		t.Errorf("annotations %v", a)
	}
}
