package providertest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/cloudprovider"
)

func deleteNamed(t *testing.T, b *bench) {
	id := b.AddPool("a", 3)
	ids := b.wantRunning(id, 3)
	b.Settle(id)
	b.ok(b.Provider.Delete(b.ctx, id, ids[1]))
	b.wantSize(id, 2)
	if diff := cmp.Diff([]cloudprovider.InstanceID{ids[0], ids[2]}, b.wantRunning(id, 2)); diff != "" {
		t.Fatalf("what is left (-want +got):\n%s", diff)
	}
}

// deleteRepeated asks while it is on its way out and when it is gone, and asks
// for what never was.
func deleteRepeated(t *testing.T, b *bench) {
	id := b.AddPool("a", 2)
	ids := b.wantRunning(id, 2)
	b.Settle(id)
	deletes := func(gone int, ids ...cloudprovider.InstanceID) {
		t.Helper()
		ctx, found := cloudprovider.Finding(b.ctx)
		if b.ok(b.Provider.Delete(ctx, id, ids...)); found.Gone != gone {
			t.Errorf("delete %v: %d found gone, want %d", ids, found.Gone, gone)
		}
	}
	deletes(0, ids[0])
	deletes(1, ids[0])
	b.wantSize(id, 1)
	b.wantRunning(id, 1)
	deletes(2, ids[0], "no-such-instance")
	b.ok(b.Provider.Delete(b.ctx, id))
	b.wantSize(id, 1)
	b.wantRunning(id, 1)
}

func deleteSeveral(t *testing.T, b *bench) {
	id := b.AddPool("a", 4)
	ids := b.wantRunning(id, 4)
	b.until(id, func() error { return b.Provider.Delete(b.ctx, id, ids[0], ids[3], ids[1]) })
	b.wantSize(id, 1)
	if left := b.wantRunning(id, 1); left[0] != ids[2] {
		t.Fatalf("left is %s, want %s", left[0], ids[2])
	}
}

func deletePlaceholder(t *testing.T, b *bench) {
	id := b.AddPool("a", 1)
	live := b.wantRunning(id, 1)
	b.SetCapacity(0)
	b.Settle(id)
	b.ok(b.Provider.Resize(b.ctx, id, 1, 3))
	b.Settle(id)
	failed := b.ids(id, cloudprovider.Failed)
	if len(failed) != 2 {
		t.Fatalf("failed entries %v", failed)
	}
	b.until(id, func() error { return b.Provider.Delete(b.ctx, id, failed...) })
	b.wantSize(id, 1)
	if left := b.wantRunning(id, 1); left[0] != live[0] {
		t.Fatalf("left is %s, want %s", left[0], live[0])
	}
	b.ok(b.Provider.Delete(b.ctx, id, failed...))
	b.wantSize(id, 1)
}

func deleteLost(t *testing.T, b *bench) {
	id := b.AddPool("a", 3)
	ids := b.wantRunning(id, 3)
	b.Settle(id)
	b.Inject(Delete, Lost)
	_ = b.Provider.Delete(b.ctx, id, ids[0])
	b.wantSize(id, 2)
	b.ok(b.Provider.Delete(b.ctx, id, ids[0]))
	b.wantSize(id, 2)
	if diff := cmp.Diff(ids[1:], b.wantRunning(id, 2)); diff != "" {
		t.Fatalf("what is left (-want +got):\n%s", diff)
	}
}

func (b *bench) replacer() cloudprovider.Replacer {
	b.t.Helper()
	r, ok := b.Provider.(cloudprovider.Replacer)
	if !ok {
		b.t.Skip("the driver does not replace")
	}
	return r
}

func replaceKeepsSize(t *testing.T, b *bench) {
	r := b.replacer()
	id := b.AddPool("a", 2)
	ids := b.wantRunning(id, 2)
	b.Settle(id)
	b.ok(r.Replace(b.ctx, id, ids[0]))
	b.ok(r.Replace(b.ctx, id, ids[0]))
	b.wantSize(id, 2)
	b.replaced(id, ids)
	b.want(r.Replace(b.ctx, id, cloudprovider.Placeholder(id, 1)), cloudprovider.ErrInvalid)
}

// replaced waits until a new instance stands for the first of two.
func (b *bench) replaced(id cloudprovider.PoolID, old []cloudprovider.InstanceID) {
	b.t.Helper()
	b.eventually(func() bool {
		now := b.ids(id, cloudprovider.Running)
		return len(now) == 2 && !contains(now, old[0]) && contains(now, old[1])
	}, func() string { return describe(b.instances(id)) })
	b.wantSize(id, 2)
	b.wantRunning(id, 2)
}

func replaceLost(_ *testing.T, b *bench) {
	r := b.replacer()
	id := b.AddPool("a", 2)
	ids := b.wantRunning(id, 2)
	b.Settle(id)
	b.Inject(Replace, Lost)
	_ = r.Replace(b.ctx, id, ids[0])
	b.ok(r.Replace(b.ctx, id, ids[0]))
	b.replaced(id, ids)
}
