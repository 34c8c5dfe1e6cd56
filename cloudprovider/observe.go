package cloudprovider

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Cloud is one look at every pool and its instances, pools and instances in
// ascending ID order.
type Cloud struct {
	Pools     []NodePool
	Instances map[PoolID][]Instance
	// Observed is when the look began that read all of it.
	Observed time.Time
	// Err is why the data is older than the last attempt; nil when fresh. With
	// Err set the rest is the last good look, or empty if there was none.
	Err error
}

// readers bounds how many pools are read at once: enough to hide the latency
// of a call, few enough not to be throttled for it.
const readers = 4

// memory is what a Fleet remembers of its looks.
type memory struct {
	last Cloud
	// read is when each pool's instances were last read.
	read map[PoolID]time.Time
	// writes counts the changes asked for; a look is worth reusing only while
	// the count is the one it began with.
	writes  int
	lookAt  int           // writes when the last look began
	life    time.Duration // how long the last look may be used again
	partial bool          // the last look lacks a pool
}

// Observe looks at the whole cloud, or gives the last look again while it is
// younger than FleetOptions.Refresh and nothing was written since. It always
// returns the best data there is: when the cloud does not answer that is the
// last good look with Err set. A pool whose instances alone could not be read
// keeps its last good ones, and its Health says so and from when they are: one
// bad pool stays one bad pool.
func (f *Fleet) Observe(ctx context.Context) Cloud {
	f.mu.Lock()
	if f.fresh() {
		defer f.mu.Unlock()
		return f.memory.last.clone()
	}
	began := f.memory.writes
	f.mu.Unlock()

	start := time.Now()
	pools, err := f.listPools(ctx)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		out := f.memory.last.clone()
		out.Err = err
		return out
	}
	slices.SortFunc(pools, func(a, b NodePool) int { return cmp.Compare(a.ID, b.ID) })
	lists, errs := f.listAll(ctx, pools)
	return f.remember(start, began, pools, lists, errs)
}

// fresh is whether the last look may be used again. The caller holds mu.
func (f *Fleet) fresh() bool {
	m := &f.memory
	return !m.last.Observed.IsZero() && !m.partial && m.writes == m.lookAt && time.Since(m.last.Observed) < m.life
}

// forget makes the last look stale: the world is about to change, or has.
func (f *Fleet) forget() {
	if f.options.DryRun {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.memory.writes++
}

// listAll reads the instances of every pool, a few pools at a time.
func (f *Fleet) listAll(ctx context.Context, pools []NodePool) ([][]Instance, []error) {
	lists, errs := make([][]Instance, len(pools)), make([]error, len(pools))
	turn := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for i := range pools {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			lists[i], errs[i] = f.listInstances(ctx, pools[i].ID)
			slices.SortFunc(lists[i], func(a, b Instance) int { return cmp.Compare(a.ID, b.ID) })
		})
	}
	wg.Wait()
	return lists, errs
}

// remember makes the look, with older instances where reading failed.
func (f *Fleet) remember(start time.Time, began int, pools []NodePool, lists [][]Instance, errs []error) Cloud {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &f.memory
	look := Cloud{Pools: pools, Instances: make(map[PoolID][]Instance, len(pools)), Observed: start}
	read := make(map[PoolID]time.Time, len(pools))
	partial := false
	for i := range look.Pools {
		p := &look.Pools[i]
		if errs[i] == nil {
			look.Instances[p.ID], read[p.ID] = lists[i], start
			partial = partial || p.Health.Err != nil
			continue
		}
		partial = true
		look.Instances[p.ID], read[p.ID] = m.last.Instances[p.ID], m.read[p.ID]
		p.Health.Err, p.Health.Observed = errs[i], read[p.ID]
	}
	if !start.Before(m.last.Observed) { // a slower look must not replace a newer one
		m.last, m.read, m.lookAt, m.partial = look, read, began, partial
		m.life = f.options.Refresh
		if f.options.Random != nil {
			m.life -= time.Duration(f.options.Random() * float64(m.life) / 10)
		}
	}
	return look.clone()
}

// dataAge is the age in seconds of the last good look, or of the Fleet while
// there was none: an alert on it needs no case for a cloud never reached.
func (f *Fleet) dataAge() float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.memory.last.Observed.IsZero() {
		return time.Since(f.started).Seconds()
	}
	return time.Since(f.memory.last.Observed).Seconds()
}

func (f *Fleet) listPools(ctx context.Context) (pools []NodePool, err error) {
	defer f.metrics.observe("Pools", time.Now(), &err)
	return f.provider.Pools(ctx)
}

func (f *Fleet) listInstances(ctx context.Context, pool PoolID) (list []Instance, err error) {
	defer f.metrics.observe("Instances", time.Now(), &err)
	return f.provider.Instances(ctx, pool)
}

// clone copies the slices and the map, so that a caller may sort and edit.
func (c Cloud) clone() Cloud {
	out := c
	out.Pools = slices.Clone(c.Pools)
	out.Instances = make(map[PoolID][]Instance, len(c.Instances))
	for id, list := range c.Instances {
		out.Instances[id] = slices.Clone(list)
	}
	return out
}
