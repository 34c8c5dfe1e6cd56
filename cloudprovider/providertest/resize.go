package providertest

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/cloudprovider"
)

func resizeGrows(t *testing.T, b *bench) {
	id := b.AddPool("a", 1)
	old := b.wantRunning(id, 1)
	b.Settle(id)
	b.ok(b.Provider.Resize(b.ctx, id, 1, 3))
	b.wantSize(id, 3) // at once: the size is what was asked for
	b.ok(b.Provider.Resize(b.ctx, id, 1, 3))
	b.wantSize(id, 3)
	now := b.wantRunning(id, 3)
	if !contains(now, old[0]) {
		t.Fatalf("%s is gone: %v", old[0], now)
	}
}

func contains(list []cloudprovider.InstanceID, id cloudprovider.InstanceID) bool {
	for _, other := range list {
		if other == id {
			return true
		}
	}
	return false
}

func resizeConflict(t *testing.T, b *bench) {
	id := b.AddPool("a", 1)
	b.Settle(id)
	b.SetSize(id, 2)
	b.Settle(id)
	b.want(b.Provider.Resize(b.ctx, id, 1, 3), cloudprovider.ErrConflict)
	b.wantSize(id, 2)
	b.ok(b.Provider.Resize(b.ctx, id, 2, 3))
	b.wantSize(id, 3)
}

func resizeRace(t *testing.T, b *bench) {
	const callers = 6
	id := b.AddPool("a", 1)
	b.Settle(id)
	var errs [callers]error
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { errs[i] = b.Provider.Resize(b.ctx, id, 1, 2+i) })
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("both %d and %d won", 2+winner, 2+i)
		case err == nil:
			winner = i
		case !errors.Is(err, cloudprovider.ErrConflict):
			t.Fatal(err)
		}
	}
	if winner < 0 {
		t.Fatalf("nobody won: %v", errs)
	}
	b.wantSize(id, 2+winner)
}

func resizeKeepsLive(t *testing.T, b *bench) {
	id := b.AddPool("a", 3)
	before := b.wantRunning(id, 3)
	b.Settle(id)
	b.want(b.Provider.Resize(b.ctx, id, 3, 2), cloudprovider.ErrConflict)
	b.wantSize(id, 3)
	if diff := cmp.Diff(before, b.wantRunning(id, 3)); diff != "" {
		t.Fatalf("instances (-before +after):\n%s", diff)
	}
}

func resizeTakesBack(t *testing.T, b *bench) {
	id := b.AddPool("a", 2)
	live := b.wantRunning(id, 2)
	b.SetCapacity(0)
	b.Settle(id)
	b.ok(b.Provider.Resize(b.ctx, id, 2, 4))
	b.Settle(id)
	b.want(b.Provider.Resize(b.ctx, id, 4, 1), cloudprovider.ErrConflict)
	b.wantSize(id, 4)
	b.ok(b.Provider.Resize(b.ctx, id, 4, 2))
	b.wantSize(id, 2)
	if diff := cmp.Diff(live, b.wantRunning(id, 2)); diff != "" {
		t.Fatalf("live instances (-before +after):\n%s", diff)
	}
}

func resizeNoCapacity(t *testing.T, b *bench) {
	id := b.AddPool("a", 0)
	b.SetCapacity(1)
	b.Settle(id)
	b.ok(b.Provider.Resize(b.ctx, id, 0, 3))
	b.Settle(id)
	b.wantSize(id, 3)
	running, failed := 0, 0
	for _, in := range b.instances(id) {
		switch {
		case in.State == cloudprovider.Running && in.Fault == nil:
			running++
		case in.State == cloudprovider.Failed && in.Fault != nil && in.Fault.Class == cloudprovider.FaultCapacity && in.Fault.Message != "":
			failed++
		default:
			t.Errorf("instance %+v fault %+v", in, in.Fault)
		}
	}
	if running != 1 || failed != 2 {
		t.Fatalf("%d run, %d failed:\n%s", running, failed, describe(b.instances(id)))
	}
}

// resizeLost may or may not get an error: either way looking and asking again
// ends in one effect.
func resizeLost(_ *testing.T, b *bench) {
	id := b.AddPool("a", 1)
	b.Settle(id)
	b.Inject(Resize, Lost)
	_ = b.Provider.Resize(b.ctx, id, 1, 2)
	b.wantSize(id, 2)
	b.ok(b.Provider.Resize(b.ctx, id, 1, 2))
	b.wantSize(id, 2)
	b.wantRunning(id, 2)
}
