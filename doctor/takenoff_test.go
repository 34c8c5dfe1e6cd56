package doctor

import (
	"testing"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// A request that somebody takes off before anything was done is no attempt, be it as
// NeedsHuman says after an abort or of his own accord: the next one is no stronger, the
// limit is not nearer, and it is not made at once. What the executor has answered counts.
func TestARequestThatIsTakenOffIsNoAttempt(t *testing.T) {
	for name, x := range map[string]struct {
		aborted bool
		answer  string
		next    kube.RepairAction
		counted int
	}{
		"after an abort":                {aborted: true, next: kube.RepairReboot, counted: 1},
		"of his own accord":             {next: kube.RepairReboot, counted: 1},
		"when the machine was back":     {answer: "Renewed", next: kube.RepairReplace, counted: 2},
		"aborted, and restarted before": {aborted: true, answer: "NoLongerWanted", next: kube.RepairReplace, counted: 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := ward(5)
			n := c.node("n1")
			look := func() Repair {
				t.Helper()
				c.history = NewHistory() // a restart at every look
				_, plan := c.decide(t)
				if len(plan.Repairs) != 1 {
					t.Fatalf("%d repairs", len(plan.Repairs))
				}
				plan.Repairs[0].Change(n)
				return plan.Repairs[0]
			}
			if r := look(); r.Action != kube.RepairReboot {
				t.Fatalf("%+v, want a reboot", r)
			}
			if x.aborted {
				c.pool().Annotations = map[string]string{v1alpha1.AnnotationAbort: "enough"}
				key := (&world.Pool{Object: c.pool()}).AbortKey(&world.Node{Object: n})
				c.pool().Status.LastCycle = &v1alpha1.LastCycleStatus{AbortedNodes: []string{key}}
				if r := look(); r.Reason != ReasonAborted {
					t.Fatalf("%+v, want %s", r, ReasonAborted)
				}
			}
			if x.answer != "" {
				kube.AnswerRepair(n, x.answer)
			}
			delete(n.Annotations, v1alpha1.AnnotationCycle)
			if r := look(); r.Act != ActNote {
				t.Fatalf("%+v, want a note", r)
			}
			if r := look(); x.answer == "" && (r.Act != ActNone || r.Reason != ReasonTakenOff) {
				t.Fatalf("%+v, want %s", r, ReasonTakenOff)
			}
			c.Now = c.Now.Add(6 * time.Minute)
			if x.answer == "" {
				look()
			}
			record, err := kube.RepairRecordOf(n)
			if err != nil || len(record) != x.counted || record.Last().Action != x.next || record.Open() == nil {
				t.Errorf("%+v, %v: want %d attempts, a %s last", record, err, x.counted, x.next)
			}
		})
	}
}
