package world

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

func TestStandstill(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	soon, past := metav1.NewTime(now.Add(time.Minute)), metav1.NewTime(now.Add(-time.Minute))
	cycling := func(s metav1.ConditionStatus) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionCycling, Status: s, Message: "3 new nodes did not become available"}}
	}
	for name, c := range map[string]struct {
		run        *v1alpha1.CycleStatus
		conditions []metav1.Condition
		busy       bool
		says       string // "" for going on
	}{
		"no run":                {conditions: cycling(metav1.ConditionFalse), busy: true},
		"a run":                 {run: &v1alpha1.CycleStatus{}, conditions: cycling(metav1.ConditionTrue)},
		"a run without a word":  {run: &v1alpha1.CycleStatus{}},
		"stopped":               {run: &v1alpha1.CycleStatus{}, conditions: cycling(metav1.ConditionFalse), says: "did not become available"},
		"growing":               {run: &v1alpha1.CycleStatus{}, busy: true},
		"to be handed over":     {run: &v1alpha1.CycleStatus{DelegatedAt: &past}},
		"handed over":           {run: &v1alpha1.CycleStatus{DelegatedAt: &past}, busy: true, says: "OKE cycles"},
		"no room":               {run: &v1alpha1.CycleStatus{SurgeRetryAt: &soon}, says: "12:01:00 UTC"},
		"no room some time ago": {run: &v1alpha1.CycleStatus{SurgeRetryAt: &past}},
	} {
		p := &Pool{Object: &v1alpha1.Pool{}}
		p.Object.Status.Cycle, p.Object.Status.Conditions = c.run, c.conditions
		p.Cloud.Health.Updating = c.busy
		if got := p.Standstill(now); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
