package providertest

import (
	"errors"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/cloudprovider"
)

// optional is the driver as one of the optional interfaces. A driver without it
// has nothing to be held to.
func optional[T any](b *bench) T {
	b.t.Helper()
	o, ok := b.Provider.(T)
	if !ok {
		b.t.Skipf("the driver is no %T", *new(T))
	}
	return o
}

// basic ends a case of a cloud that lacks the operation: the refusal is all that
// is asked of it.
func (b *bench) basic(err error) bool {
	b.t.Helper()
	if b.Basic {
		b.want(err, cloudprovider.ErrNotSupported)
	}
	return b.Basic
}

func rebootKeeps(t *testing.T, b *bench) {
	r := optional[cloudprovider.Rebooter](b)
	id := b.AddPool("a", 2)
	ids := b.wantRunning(id, 2)
	err := r.Reboot(b.ctx, id, ids[0])
	if b.Basic && errors.Is(err, cloudprovider.ErrNotSupported) {
		return
	}
	b.ok(err)
	b.ok(r.Reboot(b.ctx, id, ids[0])) // on its way already, or up again
	if now := b.wantRunning(id, 2); !slices.Equal(now, ids) {
		t.Errorf("instances %v became %v", ids, now)
	}
	b.wantSize(id, 2)
}

func rebootRefuses(_ *testing.T, b *bench) {
	r := optional[cloudprovider.Rebooter](b)
	id := b.AddPool("a", 2)
	ids := b.wantRunning(id, 2)
	b.want(r.Reboot(b.ctx, id, cloudprovider.Placeholder(id, 1)), cloudprovider.ErrInvalid)
	b.want(r.Reboot(b.ctx, id, "no-such-instance"), cloudprovider.ErrNotFound)
	b.until(id, func() error { return b.Provider.Delete(b.ctx, id, ids[0]) })
	b.wantRunning(id, 1)
	b.want(r.Reboot(b.ctx, id, ids[0]), cloudprovider.ErrNotFound)
	b.RemovePool(id)
	b.want(r.Reboot(b.ctx, id, ids[1]), cloudprovider.ErrNotFound)
}

func bootVolumeReplaced(t *testing.T, b *bench) {
	r, releaser := optional[cloudprovider.BootVolumeReplacer](b), b.releaser()
	id := b.AddPool("a", 2)
	ids := b.wantRunning(id, 2)
	before, target := b.pool(id).Release, b.other(releaser, id)
	b.Settle(id)
	b.ok(releaser.SetRelease(b.ctx, id, target))
	b.Settle(id)
	if b.basic(r.ReplaceBootVolume(b.ctx, id, ids[0])) {
		return
	}
	b.runs(id, ids[0], target)
	b.runs(id, ids[1], before)
	if now := b.wantRunning(id, 2); !slices.Equal(now, ids) {
		t.Errorf("instances %v became %v", ids, now)
	}
	b.want(r.ReplaceBootVolume(b.ctx, id, cloudprovider.Placeholder(id, 1)), cloudprovider.ErrInvalid)
}

func bootVolumeLost(_ *testing.T, b *bench) {
	r, releaser := optional[cloudprovider.BootVolumeReplacer](b), b.releaser()
	id := b.AddPool("a", 1)
	in := b.wantRunning(id, 1)[0]
	target := b.other(releaser, id)
	b.Settle(id)
	b.ok(releaser.SetRelease(b.ctx, id, target))
	b.Settle(id)
	b.Inject(ReplaceBootVolume, Lost)
	_ = r.ReplaceBootVolume(b.ctx, id, in)
	if b.basic(r.ReplaceBootVolume(b.ctx, id, in)) {
		return
	}
	b.runs(id, in, target)
	b.wantSize(id, 1)
}

// runs waits until a machine runs with a release.
func (b *bench) runs(id cloudprovider.PoolID, in cloudprovider.InstanceID, want cloudprovider.Release) {
	b.t.Helper()
	b.eventually(func() bool {
		b.Settle(id)
		return slices.ContainsFunc(b.instances(id), func(i cloudprovider.Instance) bool {
			return i.ID == in && i.State == cloudprovider.Running && i.Release.Image == want.Image && i.Release.Kubernetes == want.Kubernetes
		})
	}, func() string { return describe(b.instances(id)) })
}

func cycleReplaces(_ *testing.T, b *bench) {
	b.cycles(cloudprovider.Cycling{MaxSurge: 1}, func(old, now []cloudprovider.InstanceID) {
		for _, in := range now {
			if slices.Contains(old, in) {
				b.t.Errorf("%s is still there", in)
			}
		}
	})
}

func cycleInPlace(_ *testing.T, b *bench) {
	b.cycles(cloudprovider.Cycling{InPlace: true, MaxUnavailable: 1}, func(old, now []cloudprovider.InstanceID) {
		if !slices.Equal(old, now) {
			b.t.Errorf("instances %v became %v", old, now)
		}
	})
}

// cycles brings a pool of three to another release by the cloud's own means.
func (b *bench) cycles(how cloudprovider.Cycling, check func(old, now []cloudprovider.InstanceID)) {
	b.t.Helper()
	c, releaser := optional[cloudprovider.Cycler](b), b.releaser()
	id := b.AddPool("a", 3)
	old := b.wantRunning(id, 3)
	target := b.other(releaser, id)
	b.Settle(id)
	b.ok(releaser.SetRelease(b.ctx, id, target))
	b.Settle(id)
	if b.basic(c.Cycle(b.ctx, id, how)) {
		return
	}
	b.eventually(func() bool {
		b.Settle(id)
		list := b.instances(id)
		return len(list) == 3 && !b.pool(id).Health.Updating && !slices.ContainsFunc(list, func(i cloudprovider.Instance) bool {
			return i.State != cloudprovider.Running || i.Release.Image != target.Image
		})
	}, func() string { return describe(b.instances(id)) })
	check(old, b.wantRunning(id, 3))
	b.wantSize(id, 3)
}

func cycleRefuses(_ *testing.T, b *bench) {
	c := optional[cloudprovider.Cycler](b)
	id := b.AddPool("a", 1)
	for _, how := range []cloudprovider.Cycling{{}, {MaxSurge: -1, MaxUnavailable: 1}, {InPlace: true, MaxSurge: 1}} {
		b.want(c.Cycle(b.ctx, id, how), cloudprovider.ErrInvalid)
	}
	b.RemovePool(id)
	if !b.Basic { // either refusal is right
		b.want(c.Cycle(b.ctx, id, cloudprovider.Cycling{MaxSurge: 1}), cloudprovider.ErrNotFound)
	}
}

func cycleLost(_ *testing.T, b *bench) {
	c, releaser := optional[cloudprovider.Cycler](b), b.releaser()
	id := b.AddPool("a", 2)
	b.wantRunning(id, 2)
	target := b.other(releaser, id)
	b.Settle(id)
	b.ok(releaser.SetRelease(b.ctx, id, target))
	b.Settle(id)
	b.Inject(Cycle, Lost)
	// The driver may have found out by itself; else whoever asks again is told that
	// it is under way, or it is over.
	_ = c.Cycle(b.ctx, id, cloudprovider.Cycling{MaxSurge: 1})
	if err := c.Cycle(b.ctx, id, cloudprovider.Cycling{MaxSurge: 1}); err != nil && !b.basic(err) {
		b.want(err, cloudprovider.ErrConflict)
	}
	if b.Basic {
		return
	}
	b.eventually(func() bool {
		b.Settle(id)
		list := b.instances(id)
		return len(list) == 2 && !slices.ContainsFunc(list, func(i cloudprovider.Instance) bool {
			return i.State != cloudprovider.Running || i.Release.Image != target.Image
		})
	}, func() string { return describe(b.instances(id)) })
	b.wantSize(id, 2)
}

func capacityReported(t *testing.T, b *bench) {
	r := optional[cloudprovider.CapacityReporter](b)
	id := b.AddPool("a", 1)
	b.wantRunning(id, 1)
	for _, free := range []int{3, 0} {
		b.SetCapacity(free)
		list, err := r.Capacity(b.ctx, id)
		b.ok(err)
		for _, zone := range b.pool(id).Zones() {
			i := slices.IndexFunc(list, func(c cloudprovider.Capacity) bool { return c.Zone == zone })
			if i < 0 {
				t.Fatalf("nothing about zone %s in %+v", zone, list)
			}
			if c := list[i]; (c.Fault == nil) != (free > 0) || (c.Fault != nil && c.Fault.Class != cloudprovider.FaultCapacity) {
				t.Errorf("%d free, reported %+v", free, c)
			}
		}
	}
	b.RemovePool(id)
	_, err := r.Capacity(b.ctx, id)
	b.want(err, cloudprovider.ErrNotFound)
}

func setReleaseNewest(t *testing.T, b *bench) {
	r := b.releaser()
	id := b.AddPool("a", 0)
	target := b.other(r, id)
	b.Settle(id)
	list, err := r.Releases(b.ctx, id)
	b.ok(err)
	newest := list[slices.IndexFunc(list, func(o cloudprovider.Release) bool { return o.Kubernetes == target.Kubernetes })]
	b.ok(r.SetRelease(b.ctx, id, cloudprovider.Release{Kubernetes: target.Kubernetes}))
	if got := b.pool(id).Release; got.Image != newest.Image || got.Kubernetes != newest.Kubernetes {
		t.Errorf("release is %+v, want %+v", got, newest)
	}
}

func virtualIsShown(t *testing.T, b *bench) {
	if b.AddVirtual == nil {
		t.Skip("the cloud has no virtual pools")
	}
	id := b.AddVirtual("v", 2)
	p := b.pool(id)
	if !p.Virtual || p.Size != 2 || p.Name != "v" || len(p.Placements) == 0 {
		t.Errorf("pool %+v", p)
	}
	if list := b.instances(id); len(list) > 0 {
		t.Errorf("instances %s", describe(list))
	}
	b.want(b.Provider.Resize(b.ctx, id, 2, 3), cloudprovider.ErrNotSupported)
	b.want(b.Provider.Delete(b.ctx, id, "any"), cloudprovider.ErrNotSupported)
	if r, ok := b.Provider.(cloudprovider.Releaser); ok {
		b.want(r.SetRelease(b.ctx, id, b.pool(id).Release), cloudprovider.ErrNotSupported)
	}
	if c, ok := b.Provider.(cloudprovider.Cycler); ok {
		b.want(c.Cycle(b.ctx, id, cloudprovider.Cycling{MaxSurge: 1}), cloudprovider.ErrNotSupported)
	}
	b.wantSize(id, 2)
}
