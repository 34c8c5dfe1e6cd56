package oke

import (
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// Whatever Compute's clock says, a machine was made when it was made, by ours; and what
// was told of it stays so when the clock is set.
func TestMachinesAreDatedByOurClock(t *testing.T) {
	for _, off := range []time.Duration{0, -20 * time.Second, -10 * time.Minute, 10 * time.Minute, 26 * time.Hour} {
		w := newWorld(t, okesim.Options{})
		w.sim.SetClock(off)
		began := time.Now()
		id := w.addPool(okesim.Pool{Size: 2})
		w.running(id)
		first := w.created(id)
		for _, at := range first {
			// known to a second and to how long an answer takes
			if at.Before(began.Add(-time.Second-time.Since(began))) || at.After(time.Now()) {
				t.Errorf("with a clock that is %s ahead a machine was made at %s, and it was asked for at %s", off, at, began)
			}
		}
		w.computeAge = time.Millisecond
		w.sim.SetClock(-off)
		for range 3 {
			time.Sleep(2 * time.Millisecond)
			if again := w.created(id); again[0] != first[0] || again[1] != first[1] {
				t.Errorf("the clock was set from %s to %s, and machines of %v are of %v now", off, -off, first, again)
			}
		}
	}
}

func (w *world) created(id cloudprovider.PoolID) []time.Time {
	w.t.Helper()
	list, err := w.Instances(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []time.Time
	for _, in := range list {
		out = append(out, in.Created)
	}
	return out
}
