package main

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/internal/world/worldtest"
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
