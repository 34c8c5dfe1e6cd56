package cloudprovider

import (
	"context"
	"fmt"
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

	mu     sync.Mutex // guards the fields below
	bounds map[PoolID]Bounds
	last   Cloud
	wrote  time.Time // when the last write was answered
}

// FleetOptions are the parts of a Fleet that a program chooses.
type FleetOptions struct {
	// DryRun answers every write with nil and does not pass it on.
	DryRun bool
	// MaxAge is how old a look may be to be given again by Observe instead of
	// asking the cloud: several loops share one look. A look that began before
	// the last write ended is never given again. 0 always asks.
	MaxAge time.Duration
	// OnWrite, if set, is told of each write after it was answered: what, for
	// which pool, and how it ended. It must not block.
	OnWrite func(Write)
}

// Write is one change that was asked of the cloud.
type Write struct {
	Op       string // "Resize", "Delete", "Replace", "SetRelease"
	Pool     PoolID
	From, To int          // of Resize
	IDs      []InstanceID // of Delete and Replace
	DryRun   bool
	Err      error
}

// Bounds limit the sizes a Fleet passes on for one pool.
type Bounds struct {
	// Max is the largest size, surge included; 0 means no bound.
	Max int
}

// Cloud is one look at every pool and its instances.
type Cloud struct {
	Pools     []NodePool
	Instances map[PoolID][]Instance
	// Observed is when the look began that read all of it.
	Observed time.Time
	// Err is why the data is older than the last attempt; nil when fresh. With
	// Err set the rest is the last good look, or empty if there was none.
	Err error
}

// NewFleet wraps a driver.
func NewFleet(p Provider, o FleetOptions) *Fleet {
	return &Fleet{provider: p, options: o, metrics: newMetrics(), bounds: map[PoolID]Bounds{}}
}

// SetBounds replaces the bounds of all pools.
func (f *Fleet) SetBounds(b map[PoolID]Bounds) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bounds = b
}

// Observe looks at the whole cloud. It always returns the best data there is:
// when the cloud does not answer that is the last good look with Err set. A
// pool whose instances alone could not be read keeps its last good ones, and
// its Health says so: one bad pool stays one bad pool.
func (f *Fleet) Observe(ctx context.Context) Cloud {
	if look, ok := f.recent(); ok {
		return look
	}
	start := time.Now()
	pools, err := f.listPools(ctx)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		out := f.last.clone()
		out.Err = err
		return out
	}
	look := Cloud{Pools: pools, Instances: make(map[PoolID][]Instance, len(pools)), Observed: start}
	for i := range look.Pools {
		p := &look.Pools[i]
		instances, err := f.listInstances(ctx, p.ID)
		if err != nil {
			p.Health.Err = err
			f.mu.Lock()
			instances = f.last.Instances[p.ID]
			f.mu.Unlock()
		}
		look.Instances[p.ID] = instances
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = look
	return look.clone()
}

// recent is the last look, if it is young enough to be given again.
func (f *Fleet) recent() (Cloud, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last.Observed.IsZero() || time.Since(f.last.Observed) >= f.options.MaxAge || !f.last.Observed.After(f.wrote) {
		return Cloud{}, false
	}
	return f.last.clone(), true
}

func (f *Fleet) listPools(ctx context.Context) (pools []NodePool, err error) {
	defer f.metrics.observe("Pools", time.Now(), &err)
	return f.provider.Pools(ctx)
}

func (f *Fleet) listInstances(ctx context.Context, pool PoolID) (list []Instance, err error) {
	defer f.metrics.observe("Instances", time.Now(), &err)
	return f.provider.Instances(ctx, pool)
}

// Resize is [Provider.Resize] within the pool's bounds.
func (f *Fleet) Resize(ctx context.Context, pool PoolID, from, to int) error {
	f.mu.Lock()
	limit := f.bounds[pool].Max
	f.mu.Unlock()
	if to < 0 || (limit > 0 && to > limit && to > from) {
		return fmt.Errorf("resize pool %s from %d to %d: %w: at most %d", pool, from, to, ErrOutOfBounds, limit)
	}
	return f.write(Write{Op: "Resize", Pool: pool, From: from, To: to}, func() error {
		return f.provider.Resize(ctx, pool, from, to)
	})
}

// Delete is [Provider.Delete].
func (f *Fleet) Delete(ctx context.Context, pool PoolID, ids ...InstanceID) error {
	return f.write(Write{Op: "Delete", Pool: pool, IDs: ids}, func() error {
		return f.provider.Delete(ctx, pool, ids...)
	})
}

// Replace is [Replacer.Replace], or ErrNotSupported.
func (f *Fleet) Replace(ctx context.Context, pool PoolID, ids ...InstanceID) error {
	r, ok := f.provider.(Replacer)
	if !ok {
		return fmt.Errorf("replace instances of pool %s: %w", pool, ErrNotSupported)
	}
	return f.write(Write{Op: "Replace", Pool: pool, IDs: ids}, func() error { return r.Replace(ctx, pool, ids...) })
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

// SetRelease is [Releaser.SetRelease], or ErrNotSupported.
func (f *Fleet) SetRelease(ctx context.Context, pool PoolID, release Release) error {
	r, ok := f.provider.(Releaser)
	if !ok {
		return fmt.Errorf("set release of pool %s: %w", pool, ErrNotSupported)
	}
	return f.write(Write{Op: "SetRelease", Pool: pool}, func() error { return r.SetRelease(ctx, pool, release) })
}

func (f *Fleet) write(w Write, do func() error) (err error) {
	w.DryRun = f.options.DryRun
	if !w.DryRun {
		defer f.metrics.observe(w.Op, time.Now(), &err)
		err = do()
		f.mu.Lock()
		f.wrote = time.Now()
		f.mu.Unlock()
	}
	if f.options.OnWrite != nil {
		w.Err = err
		f.options.OnWrite(w)
	}
	return err
}

// clone copies the slices and the map, so that a caller may sort and edit.
func (c Cloud) clone() Cloud {
	out := c
	out.Pools = append([]NodePool(nil), c.Pools...)
	out.Instances = make(map[PoolID][]Instance, len(c.Instances))
	for id, list := range c.Instances {
		out.Instances[id] = append([]Instance(nil), list...)
	}
	return out
}
