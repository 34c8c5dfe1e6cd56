package cloudprovider

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Fleet is what the verbs hold: a Provider with bounds, dry run, metrics and a
// memory for the last good data. It is safe for concurrent use.
//
// Fleet decides nothing. It refuses what is out of bounds, writes down what was
// asked, and hides which optional features a driver has: a missing one answers
// ErrNotSupported.
type Fleet struct {
	provider Provider
	options  FleetOptions
	metrics  *metrics
	started  time.Time

	mu     sync.Mutex // guards the fields below
	bounds map[PoolID]Bounds
	memory memory
}

// FleetOptions are the parts of a Fleet that a program chooses.
type FleetOptions struct {
	// DryRun answers every write with nil and does not pass it on.
	DryRun bool
	// Refresh is how long a complete look may be used again; 0 looks every
	// time. A write through this Fleet ends it at once.
	Refresh time.Duration
	// Random, if set, gives numbers from 0 to 1 that shorten each Refresh by up to
	// a tenth, so that many daemons of one tenancy do not ask in step.
	Random func() float64
	// OnWrite, if set, is told of each write after it was answered: what, for
	// which pool, and how it ended. It must not block.
	OnWrite func(Write)
}

// Write is one change that was asked of the cloud.
type Write struct {
	Op       string // "Resize", "Delete", "Replace", "SetRelease", "Reboot", "ReplaceBootVolume", "Cycle"
	Pool     PoolID
	From, To int          // of Resize
	IDs      []InstanceID // of Delete, Replace, Reboot and ReplaceBootVolume
	Release  Release      // of SetRelease
	DryRun   bool
	Err      error
}

// Bounds limit the sizes a Fleet passes on for one pool.
type Bounds struct {
	// Max is the largest size, surge included; 0 means no bound.
	Max int
}

// NewFleet wraps a driver.
func NewFleet(p Provider, o FleetOptions) *Fleet {
	f := &Fleet{provider: p, options: o, started: time.Now(), bounds: map[PoolID]Bounds{}}
	f.metrics = newMetrics(f.dataAge)
	return f
}

// SetBounds replaces the bounds of all pools.
func (f *Fleet) SetBounds(b map[PoolID]Bounds) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bounds = maps.Clone(b)
}

// Resize is [Provider.Resize] within the pool's bounds. A size beyond them is
// refused unless it shrinks the pool.
func (f *Fleet) Resize(ctx context.Context, pool PoolID, from, to int) error {
	f.mu.Lock()
	limit := f.bounds[pool].Max
	f.mu.Unlock()
	return f.write(Write{Op: "Resize", Pool: pool, From: from, To: to}, func() error {
		if to < 0 || from < 0 {
			return fmt.Errorf("resize pool %s from %d to %d: %w: a size is at least 0", pool, from, to, ErrOutOfBounds)
		}
		if limit > 0 && to > limit && to > from {
			return fmt.Errorf("resize pool %s from %d to %d: %w: at most %d", pool, from, to, ErrOutOfBounds, limit)
		}
		if f.options.DryRun {
			return nil
		}
		return f.provider.Resize(ctx, pool, from, to)
	})
}

// Delete is [Provider.Delete].
func (f *Fleet) Delete(ctx context.Context, pool PoolID, ids ...InstanceID) error {
	return f.write(Write{Op: "Delete", Pool: pool, IDs: slices.Clone(ids)}, func() error {
		if f.options.DryRun {
			return nil
		}
		return f.provider.Delete(ctx, pool, ids...)
	})
}

// write runs one change, refused ones included, and tells who wants to know.
func (f *Fleet) write(w Write, do func() error) error {
	start := time.Now()
	err := do()
	// After it: a look that began while the change was under way may have missed it.
	f.forget()
	w.DryRun, w.Err = f.options.DryRun, err
	if !w.DryRun {
		f.metrics.observe(w.Op, start, &err)
	}
	if f.options.OnWrite != nil {
		f.options.OnWrite(w)
	}
	return err
}
