package cycle

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// A node that is given back says on the doctor's record how its repair has ended, if it
// has been tried; nothing was if it is given back before its machine was restarted.
func TestAnswersStandOnTheRecord(t *testing.T) {
	const request = "doctor/reboot/ready/2026-03-01T11:49:00Z"
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, x := range map[string]struct {
		acted  *time.Time
		step   Step
		answer string
	}{
		"its machine is back":                 {&at, Step{Reason: Renewed, Request: request}, "Renewed"},
		"its machine is not back":             {&at, Step{Reason: NotBack, Request: request}, "NotBack"},
		"the cloud cannot do it":              {nil, Step{Reason: Unsupported, Request: request}, "Unsupported"},
		"the request went after the restart":  {&at, Step{Reason: Renewed}, "Renewed"},
		"the request went before the restart": {nil, Step{Reason: NoLongerWanted}, ""},
	} {
		n := &corev1.Node{}
		n.Annotations = map[string]string{v1alpha1.AnnotationCycle: request}
		kube.SetRepairRecord(n, kube.RepairRecord{{Action: kube.RepairReboot, Check: "ready", At: at}})
		kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseRepair, Action: kube.RepairReboot, Acted: x.acted}))
		x.step.Kind = Release
		change(n, x.step)
		record, err := kube.RepairRecordOf(n)
		if err != nil || record.Open() == nil || record.Open().Answer != x.answer {
			t.Errorf("%s: %+v, %v, want %q", name, record, err, x.answer)
		}
		if n.Spec.Unschedulable || n.Annotations[v1alpha1.AnnotationDisruption] != "" {
			t.Errorf("%s: it is not given back", name)
		}
	}
}
