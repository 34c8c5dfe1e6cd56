package main

import (
	"testing"

	"github.com/tidemill/tidemill/internal/world/worldtest"
	engine "github.com/tidemill/tidemill/scale"
)

// TestTheDefaultIsTheCheapest: on no named workload does another expander, of
// those that a user of cluster-autoscaler knows, find a cheaper plan than the
// default, and the default is at most a twentieth above what is possible.
func TestTheDefaultIsTheCheapest(t *testing.T) {
	for name, make := range map[string]func() *worldtest.World{
		"services": services, "two-sided": twoSided, "batch": batch, "arm": arm, "preemptible": preemptible, "accelerators": accelerated,
		"mixed": func() *worldtest.World { return mixed(1_000, 80) },
	} {
		s := make().Snapshot()
		low, err := lowerBound(s)
		if err != nil {
			t.Fatal(err)
		}
		costs := map[string]float64{}
		for _, expander := range []string{"least-cost", "price", "least-waste", "most-pods", "least-nodes"} {
			plan, err := engine.Decide(s, engine.Policy{Expander: expander, MaxGrowth: noFuse.MaxGrowth})
			if err != nil {
				t.Fatal(err)
			}
			if _, costs[expander], err = sum(s, plan); err != nil {
				t.Errorf("%s with %s: %v", name, expander, err)
			}
		}
		t.Logf("%s: at least %.3f $/h, %v", name, low, costs)
		for expander, cost := range costs {
			if costs["least-cost"] > cost*(1+1e-9) {
				t.Errorf("%s: the default costs %.3f $/h, %s %.3f", name, costs["least-cost"], expander, cost)
			}
		}
		if cost := costs["least-cost"]; cost > 1.05*low {
			t.Errorf("%s: the default costs %.3f $/h, %.1f %% above the least possible", name, cost, 100*(cost/low-1))
		}
	}
}
