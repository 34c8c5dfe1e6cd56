package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/world/worldtest"
	engine "github.com/tidemill/tidemill/scale"
)

// TestADecisionIsMeasured runs the smallest sizes: every pod of every kind must
// find a place, or the figures are of something else than their name says.
func TestADecisionIsMeasured(t *testing.T) {
	for name, make := range map[string]func() *worldtest.World{
		"uniform": func() *worldtest.World { return uniform(200, 2) },
		"mixed":   func() *worldtest.World { return mixed(100, 20) },
		"spread":  func() *worldtest.World { return spreadAlone(90, false) },
		"pools":   func() *worldtest.World { return manyPools(100, 10) },
	} {
		var out strings.Builder
		b := &bench{stdout: &out}
		if err := b.decide(name, make); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), name+"\tunhelped\t0\tcount\n") || strings.Contains(out.String(), "\tnodes\t0\t") {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

// TestAPlanHolds: once the nodes of a plan are there, every pod has a place on one
// of them, and nothing more is asked for. What is cheap for the wrong reason is not.
func TestAPlanHolds(t *testing.T) {
	for name, make := range map[string]func() *worldtest.World{
		"uniform": func() *worldtest.World { return uniform(500, 5) },
		"mixed":   func() *worldtest.World { return mixed(1_000, 80) },
	} {
		w := make()
		plan, err := engine.Decide(w.Snapshot(), noFuse)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range plan.Grows {
			for i := range g.To - g.From {
				n := w.AddNode(g.Pool, fmt.Sprintf("%s-%d", g.Pool, i))
				n.CreationTimestamp.Time = w.Now
				in := w.Cloud.Instances[worldtest.PoolID(g.Pool)]
				in[len(in)-1].Created = w.Now
			}
		}
		again, err := engine.Decide(w.Snapshot(), noFuse)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Grows) == 0 || len(again.Grows) > 0 {
			t.Errorf("%s: after %v also %v", name, plan.Grows, again.Grows)
		}
		for _, v := range again.Verdicts {
			if v.Help != engine.HelpExisting {
				t.Errorf("%s: with all nodes there: %s", name, v)
				break
			}
		}
	}
}

func TestExponentIsThatOfThePower(t *testing.T) {
	x := []float64{math.Log(1), math.Log(2), math.Log(4)}
	y := []float64{math.Log(3), math.Log(12), math.Log(48)}
	if got := slope(x, y); math.Abs(got-2) > 1e-9 {
		t.Errorf("a square grows by a power of %f", got)
	}
}

// BenchmarkDecide is for profiles of the workloads: -bench 'Decide/up/pools'.
func BenchmarkDecide(b *testing.B) {
	for _, w := range decisions() {
		b.Run(w.name, func(b *testing.B) {
			for range b.N {
				if err := w.run(context.Background(), &bench{stdout: &strings.Builder{}}, w.name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
