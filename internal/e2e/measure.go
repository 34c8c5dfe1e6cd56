package e2e

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	if err := s.Wait(ctx, "workers to be resized", 2*time.Minute, s.sizeIs("workers", before+1)); err != nil {
		return g, err
	}
	g.ToResize = time.Since(begin)
	if err := s.Wait(ctx, "all pods to run", 2*time.Minute, s.allRun(w)); err != nil {
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
	if err := s.Wait(ctx, "all pods to run", 2*time.Minute, s.allRun(w)); err != nil {
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
	if err := s.Hold(ctx, "the pools to be at rest", long, s.sumIs(s.sum())); err != nil {
		return 0, err
	}
	return s.Daemon.RSS()
}

// Rest is what the daemon costs while nothing happens.
type Rest struct {
	RSS, Peak int64 // resident bytes: at the end, and the most there ever were
	Cores     float64
}

// MeasureRest lets the daemon run until it has settled, and then weighs it for a
// while. First it has to get a node for a pod: it does once it knows that no
// node there is has room, which is when it has seen the pods of them all.
func (e *Env) MeasureRest(ctx context.Context, kubelets int, settle, long time.Duration) (Rest, error) {
	if _, err := e.MeasureMemory(ctx, settle/2); err != nil {
		return Rest{}, err
	}
	if _, err := e.MeasurePending(ctx, kubelets, 1); err != nil {
		return Rest{}, err
	}
	if _, err := e.MeasureMemory(ctx, settle); err != nil {
		return Rest{}, err
	}
	before, err := e.Daemon.CPU()
	if err != nil {
		return Rest{}, err
	}
	begin := time.Now()
	var r Rest
	if r.RSS, err = e.MeasureMemory(ctx, long); err != nil {
		return Rest{}, err
	}
	after, err := e.Daemon.CPU()
	if err != nil {
		return Rest{}, err
	}
	r.Cores = (after - before).Seconds() / time.Since(begin).Seconds()
	r.Peak, err = e.Daemon.PeakRSS()
	return r, err
}

// MeasurePending creates pods one after the other, each so large that it needs a
// node more, and measures for each how long it took from before it was created
// until the cloud was asked for the node. Nodes with kubelets, so many at most,
// are filled first. The scheduler should have seen all pods that there are by then,
// or it puts these where it thinks that there is room.
func (e *Env) MeasurePending(ctx context.Context, kubelets, times int) ([]time.Duration, error) {
	s := &Stage{Env: e, Figures: &Figures{}}
	large := ask("2500m", "1Gi") // of the 4 cores that a node has
	full := Workload{Name: "full", Replicas: int32(kubelets), Requests: large, Selector: playground.OnlyKubelets()}
	if err := s.Deploy(ctx, full); err != nil {
		return nil, err
	}
	if err := s.Wait(ctx, "all pods to run", 2*time.Minute, s.allRun(full)); err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range times {
		before := s.sum()
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("one-%03d", i), Namespace: crowd}}
		p.Spec.Containers = []corev1.Container{{Name: "app", Image: "registry.k8s.io/pause:3.10", Resources: corev1.ResourceRequirements{Requests: large}}}
		begin := time.Now()
		if err := e.Client.Create(ctx, p); err != nil {
			return nil, fmt.Errorf("create pod %s: %w", p.Name, err)
		}
		if err := s.Wait(ctx, "a pool to be resized", 5*time.Minute, s.sumIs(before+1)); err != nil {
			return nil, fmt.Errorf("after %d pods: %w", i, err)
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// sum is the size of all pools together.
func (s *Stage) sum() (n int) {
	for _, p := range s.Sim.Pools() {
		n += p.Size
	}
	return n
}

func (s *Stage) sumIs(size int) Probe {
	return func(context.Context) (bool, string, error) {
		now := s.sum()
		return now == size, fmt.Sprintf("the pools have %d nodes of %d", now, size), nil
	}
}
