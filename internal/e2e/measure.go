package e2e

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/playground"
)

// What bench measures, on a cluster with one pool.

// OnePool is a cluster of one x86 pool over three availability domains.
func OnePool(size int) []okesim.Pool {
	p := playground.DemoPools()[0]
	p.Size = size
	return []okesim.Pool{p}
}

// OnePolicy opts that pool in to all verbs, with a surge of one node.
func OnePolicy(least, most int) map[string]v1alpha1.PoolSpec {
	return map[string]v1alpha1.PoolSpec{"workers": Policy(least, most, 1)}
}

// Growth is how fast pods got a node.
type Growth struct{ ToResize, ToRunning time.Duration }

// MeasureGrowth deploys pods that need one node more than there is, measures, and
// takes them away again until the pool is back at its size.
func (e *Env) MeasureGrowth(ctx context.Context) (Growth, error) {
	s := &Stage{Env: e, Figures: &Figures{}}
	before := s.Size("workers")
	w := Workload{Name: "burst", Requests: ask("1", "1Gi")}
	nodes, pods, err := s.NodesOf(ctx, "workers")
	if err != nil {
		return Growth{}, err
	}
	w.Replicas = int32(room(nodes, pods, w.perPod()) + 1)
	begin := time.Now()
	var g Growth
	if err := s.Deploy(ctx, w); err != nil {
		return g, err
	}
	if err := s.Wait(ctx, "workers to be resized", time.Minute, s.sizeIs("workers", before+1)); err != nil {
		return g, err
	}
	g.ToResize = time.Since(begin)
	if err := s.Wait(ctx, "all pods to run", time.Minute, s.allRun(w)); err != nil {
		return g, err
	}
	g.ToRunning = time.Since(begin)
	if err := s.Remove(ctx, w); err != nil {
		return g, err
	}
	if err := s.Wait(ctx, "workers to shrink again", 2*time.Minute, s.sizeIs("workers", before)); err != nil {
		return g, err
	}
	return g, s.atRest(ctx, "workers")
}

// Cycled is what a node of a turn-over cost.
type Cycled struct {
	PerNode      time.Duration
	CallsPerNode float64
}

// MeasureCycle turns the pool over while each node carries pods.
func (e *Env) MeasureCycle(ctx context.Context) (Cycled, error) {
	s := &Stage{Env: e, Figures: &Figures{}}
	w := Workload{Name: "steady", Replicas: 12, Requests: ask("400m", "1Gi"), Spare: 4}
	if err := s.Deploy(ctx, w); err != nil {
		return Cycled{}, err
	}
	if err := s.Wait(ctx, "all pods to run", time.Minute, s.allRun(w)); err != nil {
		return Cycled{}, err
	}
	if err := s.atRest(ctx, "workers"); err != nil {
		return Cycled{}, err
	}
	r, err := s.Turn(ctx, Turn{Pool: "workers", Key: v1alpha1.AnnotationUpgradeTo, Value: secondUpgrade, Version: secondUpgrade, Load: &w})
	if err != nil {
		return Cycled{}, err
	}
	if r.nodes == 0 {
		return Cycled{}, fmt.Errorf("the pool had no nodes")
	}
	return Cycled{PerNode: r.took / time.Duration(r.nodes), CallsPerNode: float64(r.calls) / float64(r.nodes)}, nil
}

// MeasureMemory lets the daemon run for a while and weighs it.
func (e *Env) MeasureMemory(ctx context.Context, long time.Duration) (int64, error) {
	s := &Stage{Env: e, Figures: &Figures{}}
	if err := s.Hold(ctx, "the pool to be at rest", long, s.sizeIs("workers", s.Size("workers"))); err != nil {
		return 0, err
	}
	return s.Daemon.RSS()
}
