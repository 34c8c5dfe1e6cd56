package e2e

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// TurnCost is what turning a whole pool over has cost, in time and in requests.
type TurnCost struct {
	Nodes int
	Took  time.Duration
	// Cores is the daemon's mean use of processors meanwhile.
	Cores float64
	// Evictions are what it asked the API server for, refused ones included, and
	// PodReads how often it read a single pod: a drain that polls reads each of them
	// again and again.
	Evictions, PodReads int
}

// MeasureTurn turns the pool "workers" over while each node carries six pods under a
// budget. It needs [Options.Audit].
func (e *Env) MeasureTurn(ctx context.Context) (TurnCost, error) {
	s := &Stage{Env: e, Figures: &Figures{}}
	size := s.Size("workers")
	w := Workload{Name: "steady", Replicas: int32(6 * size), Requests: ask("200m", "512Mi"), Spare: size}
	if err := s.Deploy(ctx, w); err != nil {
		return TurnCost{}, err
	}
	if err := s.Wait(ctx, "all pods to run", 2*time.Minute, s.allRun(w)); err != nil {
		return TurnCost{}, err
	}
	if err := s.atRest(ctx, "workers"); err != nil {
		return TurnCost{}, err
	}
	evictions, reads, err := e.podRequests()
	if err != nil {
		return TurnCost{}, err
	}
	cpu, err := e.Daemon.CPU()
	if err != nil {
		return TurnCost{}, err
	}
	r, err := s.Turn(ctx, Turn{Pool: "workers", Key: v1alpha1.AnnotationUpgradeTo, Value: firstUpgrade, Version: firstUpgrade, Load: &w})
	if err != nil {
		return TurnCost{}, err
	}
	spent, err := e.Daemon.CPU()
	if err != nil {
		return TurnCost{}, err
	}
	evictionsNow, readsNow, err := e.podRequests()
	if evictionsNow == evictions && err == nil {
		err = fmt.Errorf("the audit log has no eviction: is it written?")
	}
	return TurnCost{Nodes: r.nodes, Took: r.took, Cores: (spent - cpu).Seconds() / r.took.Seconds(),
		Evictions: evictionsNow - evictions, PodReads: readsNow - reads}, err
}

// podRequests counts in the audit log what the daemon has asked about single pods.
func (e *Env) podRequests() (evictions, reads int, err error) {
	used, refused, err := e.RightsUsed()
	if err != nil {
		return 0, 0, err
	}
	evict, read := Right{"create", "", "pods/eviction"}, Right{"get", "", "pods"}
	return used[evict] + refused[evict], used[read] + refused[read], nil
}
