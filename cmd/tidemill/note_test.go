package main

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Status and a wait say why a run stands still that has stopped, and why one does not
// begin that is asked for.
func TestWhyNothingGoesOn(t *testing.T) {
	const request = v1alpha1.AnnotationUpgradeTo + "=v1.35.0"
	run := &v1alpha1.CycleStatus{Request: request, Desired: 3, Stale: 2}
	for _, c := range []struct {
		name, reason, message string
		run                   *v1alpha1.CycleStatus
		last                  *v1alpha1.LastCycleStatus
		want                  string // of a row of status; "" for none
	}{
		{"stopped", "JoinFailures", "3 new nodes did not become available", run, nil, "JoinFailures"},
		{"before its window", "OutsideWindow", "no window is open", nil, nil, "OutsideWindow"},
		{"idle", "Idle", "no run is under way", nil, nil, ""},
		{"refused, which the record says", "VersionSkew", "too new", nil, &v1alpha1.LastCycleStatus{Request: "x", Outcome: "Refused", Message: "too new"}, "Refused"},
		{"over", "Succeeded", "3 nodes replaced", nil, &v1alpha1.LastCycleStatus{Request: "x", Outcome: "Succeeded", Message: "3 nodes replaced"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers", Annotations: map[string]string{v1alpha1.AnnotationUpgradeTo: "v1.35.0"}}}
			p.Status = v1alpha1.PoolStatus{Cycle: c.run, LastCycle: c.last, Conditions: []metav1.Condition{
				{Type: v1alpha1.ConditionCycling, Status: metav1.ConditionFalse, Reason: c.reason, Message: c.message},
			}}
			var got []string
			for _, w := range waitsOf(p) {
				got = append(got, w.Reason)
			}
			if want := slices.DeleteFunc([]string{c.want}, func(s string) bool { return s == "" }); !slices.Equal(got, want) {
				t.Errorf("status says %q, want %q", got, want)
			}
			if o := poolOutlook(p, v1alpha1.AnnotationUpgradeTo, "v1.35.0", ""); c.reason == "OutsideWindow" && !slices.Contains(o.waits, c.reason+": "+c.message) {
				t.Errorf("a wait says %q, %q", o.text, o.waits)
			}
		})
	}
}
