package cycle

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemill/tidemill/internal/kube"
)

// Of a pool that is gone no series is left, be it a number or a count.
func TestPoolsThatAreGoneLeaveNoSeries(t *testing.T) {
	l := &Loop{}
	r := prometheus.NewRegistry()
	l.Register(r)
	told := func(pool string) (n int) {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.Metric {
				for _, label := range m.Label {
					if label.GetValue() == pool {
						n++
					}
				}
			}
		}
		return n
	}
	of := func(pool string) Report {
		return Report{Pool: pool, Wait: &Wait{Reason: Paused}, Blocked: []Blocked{{Node: "n", Reason: BelowFloor}}}
	}
	for _, pool := range []string{"stays", "goes"} {
		l.metrics.did(Step{Kind: DeleteInstance, Pool: pool, Cause: kube.CauseCycle})
		l.metrics.did(Step{Kind: DeleteInstance, Pool: pool, Cause: kube.CauseRepair})
	}
	l.metrics.report(Plan{Pools: []Report{of("goes"), of("stays")}})
	before := told("stays")
	if before < 6 || told("goes") != before {
		t.Fatalf("%d and %d series", before, told("goes"))
	}
	l.metrics.report(Plan{Pools: []Report{of("stays")}})
	if told("goes") != 0 || told("stays") != before {
		t.Errorf("%d series of a pool that is gone, %d of one that is not", told("goes"), told("stays"))
	}
}
