package oke

import (
	"testing"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// What one node costs in writes, as the service counts them: adding nodes is one
// for all of them, and each one that is replaced, in any way, costs two at the
// most.
func TestWritesPerNode(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 3})
	ids := w.running(id)
	count := func(do func() error) int {
		t.Helper()
		writes := 0
		for op, n := range w.requests(func() {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}) {
			switch op {
			case "UpdateNodePool", "DeleteNode", "RebootClusterNode", "ReplaceBootVolumeClusterNode":
				writes += n
			}
		}
		w.settle(id)
		return writes
	}
	most := func(what string, nodes, perNode int, do func() error) {
		t.Helper()
		if n := count(do); n == 0 || n > nodes*perNode {
			t.Errorf("%s: %d writes for %d nodes, at most %d for each", what, n, nodes, perNode)
		}
	}
	ctx := t.Context()
	if n := count(func() error { return w.Resize(ctx, id, 3, 13) }); n != 1 {
		t.Errorf("%d writes for 10 new nodes", n)
	}
	// Replace first: one in, one out.
	most("surge", 1, 2, func() error {
		if err := w.Resize(ctx, id, 13, 14); err != nil {
			return err
		}
		w.settle(id)
		return w.Delete(ctx, id, ids[0])
	})
	most("replace", 1, 1, func() error { return w.Replace(ctx, id, ids[1]) })
	most("boot volume", 1, 1, func() error { return w.ReplaceBootVolume(ctx, id, ids[2]) })
	most("reboot", 1, 1, func() error { return w.Reboot(ctx, id, ids[2]) })
	// While the first ones leave, the pool's etag moves, and a write that is refused
	// for it counts as well.
	most("delete", 5, 2, func() error { return w.Delete(ctx, id, w.running(id)[:5]...) })
	// The cloud's own cycling is one write for the whole pool.
	if n := count(func() error { return w.Cycle(ctx, id, cloudprovider.Cycling{MaxSurge: 1}) }); n != 1 {
		t.Errorf("%d writes for a cycle", n)
	}
}

// Faults do not multiply writes: those that were certainly not applied are sent
// again a bounded number of times, the rest once.
func TestWritesUnderFaults(t *testing.T) {
	for name, fault := range map[string]okesim.HTTPFault{"lost": {Drop: true}, "broken": {Status: 500}, "throttled": {Status: 429}} {
		w := newWorld(t, okesim.Options{})
		id := w.addPool(okesim.Pool{Size: 1})
		w.sim.FailNext("UpdateNodePool", 1, fault)
		cost := w.requests(func() {
			if err := w.Resize(t.Context(), id, 1, 2); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		if cost["UpdateNodePool"] > 2 || w.size(id) != 2 {
			t.Errorf("%s: %v, size %d", name, cost, w.size(id))
		}
	}
}
