package cycle

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// A virtual pool has no machines: a request for it is refused, and not with the
// advice to switch cycling on, which is on.
func TestVirtualPoolIsRefused(t *testing.T) {
	w := worldtest.New()
	w.AddPool("serverless", "2", "16Gi", func(p *v1alpha1.Pool) {
		p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand}
		p.Annotations = map[string]string{v1alpha1.AnnotationCycle: "now"}
	}).Virtual = true
	plan := Decide(w.Snapshot(), Policy{})
	r := plan.Pools[0].Refused
	if r == nil || r.Reason != CyclingOff || !strings.Contains(r.Message, "virtual") {
		t.Fatalf("refused %+v, steps %v", r, plan.Steps)
	}
	pre := Prefly(w.Snapshot(), w.Snapshot().Pools[0], "", Asked{})
	if pre.Verdict != Never || !strings.Contains(pre.Checks[0].Message, "virtual") {
		t.Errorf("pre-flight: %s: %+v", pre.Verdict, pre.Checks)
	}
}
