package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	engine "github.com/tidemill/tidemill/scale"
)

// decisions are the workloads that need no cluster: a world is made up, and what
// is measured is one look at it in this process.
//
//	join ms          to put the cluster's and the cloud's side together, median of five
//	decide ms        median of five looks
//	helped pods/s    that one look finds a place for
//	allocated MB     by one look
//	nodes count      that the plan adds
//	cost $/h         of them by list price
//	unhelped count   pods that it gives a reason instead of a place
//	exponent ratio   of time over size, by least squares over four sizes; the
//	                 fixed cost of a look flatters the small ones, so that
//	exponent_last ratio
//	                 is that of the last doubling alone
func decisions() []workload {
	make := func(f func() *worldtest.World) func(context.Context, *bench, string) error {
		return func(_ context.Context, b *bench, name string) error { return b.decide(name, f) }
	}
	grow := func(f func(size int) *worldtest.World, sizes ...int) func(context.Context, *bench, string) error {
		return func(_ context.Context, b *bench, name string) error { return b.exponent(name, f, sizes) }
	}
	return []workload{
		{"up/uniform", "50,000 like pods of nobody's, fifty to a node", make(func() *worldtest.World { return uniform(50_000, 0) })},
		{"up/uniform-owned", "the same in 500 ReplicaSets", make(func() *worldtest.World { return uniform(50_000, 500) })},
		{"up/mixed-5k", "5,000 pods of 400 shapes: plain, spread, together, apart", make(func() *worldtest.World { return mixed(5_000, 400) })},
		{"up/mixed-20k", "20,000 such pods", make(func() *worldtest.World { return mixed(20_000, 400) })},
		{"up/spread", "900 pods that must be spread over three zones, a pool over all", make(func() *worldtest.World { return spreadAlone(900, false) })},
		{"up/spread-each", "the same with a pool for each zone", make(func() *worldtest.World { return spreadAlone(900, true) })},
		{"up/pools", "5,000 pods before 200 pools of three zones", make(func() *worldtest.World { return manyPools(5_000, 200) })},
		{"up/shapes", "10,000 pods, no two alike", make(func() *worldtest.World { return mixed(10_000, 10_000) })},
		{"up/grows-pods", "time over the number of pods", grow(func(n int) *worldtest.World { return mixed(n, 400) }, 2_500, 5_000, 10_000, 20_000)},
		{"up/grows-pools", "time over the number of pools", grow(func(n int) *worldtest.World { return manyPools(2_000, n) }, 25, 50, 100, 200)},
		{"up/grows-shapes", "time over the number of shapes, 12 pods of each", grow(func(n int) *worldtest.World { return mixed(12*n, n) }, 200, 400, 800, 1_600)},
		{"down/grows-nodes", "time over the number of nodes of which three in five can go", grow(removable, 250, 500, 1_000, 2_000)},
		{"idle/grows-nodes", "time over the number of nodes at rest", grow(func(n int) *worldtest.World { return atRest(n, 30) }, 250, 500, 1_000, 2_000)},
	}
}

// noFuse lets one look add as many nodes as it wants: what is measured is the
// look, not how growth is rationed.
var noFuse = engine.Policy{MaxGrowth: math.MaxInt32}

// looks is how often a figure is taken; the median counts.
const looks = 5

func (b *bench) decide(name string, make func() *worldtest.World) error {
	w := make()
	var s *world.Snapshot
	var joins []time.Duration
	for range looks {
		begin := time.Now()
		s = w.Snapshot()
		joins = append(joins, time.Since(begin))
	}
	took, allocated, plan, err := measure(s)
	if err != nil {
		return err
	}
	unhelped := 0
	nodes, cost := bill(s, plan)
	for _, v := range plan.Verdicts {
		if v.Help == engine.HelpNone {
			unhelped++
		}
	}
	b.figure(name, "join", fmt.Sprintf("%.1f", inMilliseconds(middle(joins))), "ms")
	b.figure(name, "decide", fmt.Sprintf("%.1f", inMilliseconds(took)), "ms")
	b.figure(name, "helped", fmt.Sprintf("%.0f", float64(len(s.Pending)-unhelped)/took.Seconds()), "pods/s")
	b.figure(name, "allocated", fmt.Sprintf("%.1f", allocated), "MB")
	b.figure(name, "nodes", fmt.Sprint(nodes), "count")
	b.figure(name, "cost", fmt.Sprintf("%.3f", cost), "$/h")
	b.figure(name, "unhelped", fmt.Sprint(unhelped), "count")
	return nil
}

// measure looks at the world several times.
func measure(s *world.Snapshot) (took time.Duration, megabytes float64, plan engine.Plan, err error) {
	var times []time.Duration
	var sizes []uint64
	for range looks {
		runtime.GC() // what came before is not this look's to clear away
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		if plan, err = engine.Decide(s, noFuse); err != nil {
			return 0, 0, plan, err
		}
		times = append(times, time.Since(begin))
		runtime.ReadMemStats(&after)
		sizes = append(sizes, after.TotalAlloc-before.TotalAlloc)
	}
	return middle(times), float64(middle(sizes)) / 1e6, plan, nil
}

func middle[T cmp.Ordered](list []T) T {
	slices.Sort(list)
	return list[len(list)/2]
}

func inMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// exponent fits a power of the size to the times.
func (b *bench) exponent(name string, make func(int) *worldtest.World, sizes []int) error {
	var x, y []float64
	for _, n := range sizes {
		took, _, _, err := measure(make(n).Snapshot())
		if err != nil {
			return err
		}
		b.figure(name, fmt.Sprintf("decide_%d", n), fmt.Sprintf("%.1f", inMilliseconds(took)), "ms")
		x, y = append(x, math.Log(float64(n))), append(y, math.Log(took.Seconds()))
	}
	b.figure(name, "exponent", fmt.Sprintf("%.2f", slope(x, y)), "ratio")
	b.figure(name, "exponent_last", fmt.Sprintf("%.2f", slope(x[len(x)-2:], y[len(y)-2:])), "ratio")
	return nil
}

// slope is that of the straight line that is nearest to the points.
func slope(x, y []float64) float64 {
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	n := float64(len(x))
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}
