package e2e

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// TestOutage takes the API server away from everybody in the middle of a turn-over
// under load: first the network to it, then the server itself. The daemon loses its
// lease and is started again and again, as a kubelet would; the kubelets are not
// heard, and all nodes are called NotReady when it is back. Nothing may be lost, and
// nothing be taken because of it: the run goes on and ends.
func TestOutage(t *testing.T) {
	if !*hard && !*long {
		t.Skip("five minutes, most of them waiting for an API server that is away: make stories tells it")
	}
	env := open(t, Options{Pools: OnePool(6), Policies: map[string]v1alpha1.PoolSpec{"workers": Policy(6, 6, 2)}})
	s := stage(env)
	load := Workload{Name: "steady", Replicas: 18, Requests: ask("400m", "1Gi"), Spare: 4}
	ctx := within(t, 15*time.Minute)
	if err := s.Deploy(ctx, load); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "the load to run", 2*time.Minute, s.allRun(load)); err != nil {
		t.Fatal(err)
	}
	var revived atomic.Int32
	defer s.revive(ctx, &revived)()
	for _, o := range []struct {
		name, version string
		away          func(context.Context) error
	}{
		{"unreachable for 45 s", firstUpgrade, func(ctx context.Context) error { return s.unreachable(ctx, 45*time.Second) }},
		{"restarted, away for 30 s", secondUpgrade, func(ctx context.Context) error { return s.Cluster.RestartAPI(ctx, 30*time.Second) }},
	} {
		var at string
		result, err := s.Turn(ctx, Turn{Pool: "workers", Key: v1alpha1.AnnotationUpgradeTo, Value: o.version, Version: o.version, Load: &load,
			Meanwhile: func(ctx context.Context, s *Stage, before Fleet) (err error) {
				at, err = s.blind(ctx, before, o.away)
				return err
			}})
		if err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		t.Logf("%s, with %s; the daemon was started again %d times; done in %.1f s, available never below %d, machines never above %d",
			o.name, at, revived.Swap(0), result.took.Seconds(), result.seen.LeastAvailable, result.seen.MostMachines)
	}
}

// blind lets the API server go away in the middle of the run, and sees that no more
// machines end than were on their way out by then.
func (s *Stage) blind(ctx context.Context, before Fleet, away func(context.Context) error) (at string, err error) {
	if at, err = s.midway(ctx, "workers", before); err != nil {
		return at, err
	}
	nodes, _, err := s.NodesOf(ctx, "workers")
	if err != nil {
		return at, err
	}
	leaving := 0
	for _, n := range nodes {
		if _, old := before[n.Spec.ProviderID]; old && n.Spec.Unschedulable {
			leaving++
		}
	}
	ended := len(before) - s.stillHere(before)
	s.Watcher.Blind(true)
	defer s.Watcher.Blind(false)
	if err := away(ctx); err != nil {
		return at, err
	}
	if gone := len(before) - s.stillHere(before); gone > ended+leaving {
		return at, fmt.Errorf("%d old machines ended while nobody could look, and %d were on their way out", gone-ended, leaving)
	}
	return at, Until(ctx, "the API server to be back, and the watcher to see", 2*time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		caught, err := s.Watcher.Caught(ctx)
		return caught, fmt.Sprint(err), nil
	})
}

// unreachable shuts the API server's door for so long.
func (s *Stage) unreachable(ctx context.Context, long time.Duration) error {
	s.Cluster.Outage(true)
	defer s.Cluster.Outage(false)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(long):
		return nil
	}
}

// revive starts the daemon again whenever it has ended by itself, as a kubelet does:
// one that has lost its lease ends, and counts on that.
func (s *Stage) revive(ctx context.Context, count *atomic.Int32) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	s.Daemon.pardon()
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if s.Daemon.over() && s.Daemon.Start() == nil {
				s.Daemon.pardon()
				count.Add(1)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// pardon makes the end of the present process no error, whatever brings it about.
func (d *Daemon) pardon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life != nil {
		d.life.asked = true
	}
}

// over is whether it has ended.
func (d *Daemon) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.life == nil || d.life.over()
}
