package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	engine "github.com/tidemill/tidemill/scale"
)

// removals are the workloads of scale-down, and the peer that growth is compared
// with.
func removals() []workload {
	return []workload{
		{"down/2000", "one look at 2,000 idle nodes with 80,000 pods, three in five of which could go", down},
		{"up/mixed-5k/karpenter", "Karpenter's scheduler on the pods and machines of up/mixed-5k", peerKarpenter("up/mixed-5k", func() *worldtest.World { return mixed(5000, 400) })},
	}
}

// removable is nodes with forty pods each, three in five of which the others have
// room for; all have been idle for an hour.
func removable(nodes int) *worldtest.World {
	w := worldtest.New()
	w.AddPool("workers", "16", "64Gi", worldtest.Scale(0, int32(nodes)))
	for i := range nodes {
		name := fmt.Sprintf("n%05d", i)
		n := w.AddNode("workers", name)
		n.Annotations[v1alpha1.AnnotationUnneededSince] = w.Now.Add(-time.Hour).Format(time.RFC3339)
		cpu := "100m"
		if i%5 >= 3 {
			cpu = "240m"
		}
		for j := range 40 {
			app := fmt.Sprintf("app-%02d", j)
			w.AddPod(fmt.Sprintf("%s-%02d", name, j), cpu, "100Mi", worldtest.On(name), worldtest.OwnedBy("ReplicaSet", app))
		}
	}
	return w
}

// down measures one look that judges every node: its time, what it allocates,
// and how many nodes it finds to go. How many may go at one time is not what is
// measured.
func down(_ context.Context, b *bench, name string) error {
	s := removable(2000).Snapshot()
	var took []time.Duration
	var allocated []uint64
	found := 0
	for range 5 {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		plan, err := engine.Decide(s, engine.Policy{MaxDrains: 2000, MaxEmpty: 2000})
		if err != nil {
			return err
		}
		took = append(took, time.Since(start))
		runtime.ReadMemStats(&after)
		allocated = append(allocated, after.TotalAlloc-before.TotalAlloc)
		found = len(plan.Removals)
	}
	slices.Sort(took)
	slices.Sort(allocated)
	b.figure(name, "decide", fmt.Sprintf("%.1f", float64(took[2].Microseconds())/1000), "ms")
	b.figure(name, "allocated", fmt.Sprintf("%.1f", float64(allocated[2])/1e6), "MB")
	b.figure(name, "nodes", fmt.Sprint(found), "count")
	return nil
}
