package cloudprovider

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Replace is [Replacer.Replace], or ErrNotSupported.
func (f *Fleet) Replace(ctx context.Context, pool PoolID, ids ...InstanceID) error {
	r, ok := f.provider.(Replacer)
	return f.optional(Write{Op: "Replace", Pool: pool, IDs: slices.Clone(ids)}, ok, func() error { return r.Replace(ctx, pool, ids...) })
}

// SetRelease is [Releaser.SetRelease], or ErrNotSupported.
func (f *Fleet) SetRelease(ctx context.Context, pool PoolID, release Release) error {
	r, ok := f.provider.(Releaser)
	return f.optional(Write{Op: "SetRelease", Pool: pool, Release: release}, ok, func() error { return r.SetRelease(ctx, pool, release) })
}

// Reboot is [Rebooter.Reboot], or ErrNotSupported.
func (f *Fleet) Reboot(ctx context.Context, pool PoolID, ids ...InstanceID) error {
	r, ok := f.provider.(Rebooter)
	return f.optional(Write{Op: "Reboot", Pool: pool, IDs: slices.Clone(ids)}, ok, func() error { return r.Reboot(ctx, pool, ids...) })
}

// ReplaceBootVolume is [BootVolumeReplacer.ReplaceBootVolume], or
// ErrNotSupported.
func (f *Fleet) ReplaceBootVolume(ctx context.Context, pool PoolID, ids ...InstanceID) error {
	r, ok := f.provider.(BootVolumeReplacer)
	return f.optional(Write{Op: "ReplaceBootVolume", Pool: pool, IDs: slices.Clone(ids)}, ok, func() error { return r.ReplaceBootVolume(ctx, pool, ids...) })
}

// Cycle is [Cycler.Cycle], or ErrNotSupported.
func (f *Fleet) Cycle(ctx context.Context, pool PoolID, how Cycling) error {
	r, ok := f.provider.(Cycler)
	return f.optional(Write{Op: "Cycle", Pool: pool}, ok, func() error { return r.Cycle(ctx, pool, how) })
}

// Releases is [Releaser.Releases], or ErrNotSupported.
func (f *Fleet) Releases(ctx context.Context, pool PoolID) (list []Release, err error) {
	r, ok := f.provider.(Releaser)
	if !ok {
		return nil, fmt.Errorf("list releases of pool %s: %w", pool, ErrNotSupported)
	}
	defer f.metrics.observe("Releases", time.Now(), &err)
	return r.Releases(ctx, pool)
}

// Capacity is [CapacityReporter.Capacity], or ErrNotSupported.
func (f *Fleet) Capacity(ctx context.Context, pool PoolID) (list []Capacity, err error) {
	r, ok := f.provider.(CapacityReporter)
	if !ok {
		return nil, fmt.Errorf("report capacity of pool %s: %w", pool, ErrNotSupported)
	}
	defer f.metrics.observe("Capacity", time.Now(), &err)
	return r.Capacity(ctx, pool)
}

// optional is a write that not every driver can do.
func (f *Fleet) optional(w Write, supported bool, do func() error) error {
	return f.write(w, func() error {
		if !supported {
			return fmt.Errorf("%s of pool %s: %w", w.Op, w.Pool, ErrNotSupported)
		}
		if f.options.DryRun {
			return nil
		}
		return do()
	})
}
