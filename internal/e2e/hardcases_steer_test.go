package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
)

// steered: everything that a person may turn in the middle of a run, one after the
// other: pause and resume, the budget, the node pool (which is refused), the version,
// the size in the console; and in a second run an abort.
func steered(ctx context.Context, s *Stage, pool string) error {
	load := in(pool, Workload{Name: "steered-load", Replicas: 6, Spare: 2})
	_, err := s.watched(ctx, pool, &load, func(before Fleet) error {
		if err := s.Annotate(ctx, pool, v1alpha1.AnnotationUpgradeTo, firstUpgrade); err != nil {
			return err
		}
		if _, err := s.oldAndIdle(ctx, pool, before); err != nil {
			return err
		}
		for _, turn := range []func(context.Context, string) error{s.pausedAndResumed, s.otherNodePool, s.largerInTheConsole} {
			if err := turn(ctx, pool); err != nil {
				return err
			}
		}
		// The target: nodes that are new already are old again.
		if err := s.upgradedTo(ctx, pool, secondUpgrade); err != nil {
			return err
		}
		return s.turnedWell(ctx, Turn{Pool: pool, Version: secondUpgrade, Load: &load}, before, len(before)+5)
	})
	if err != nil {
		return err
	}
	_, err = s.watched(ctx, pool, &load, func(before Fleet) error {
		if err := s.Annotate(ctx, pool, v1alpha1.AnnotationCycle, "go"); err != nil {
			return err
		}
		if _, err := s.oldAndIdle(ctx, pool, before); err != nil {
			return err
		}
		return s.given(ctx, pool)
	})
	if err != nil {
		return err
	}
	if err := s.Wait(ctx, "the pool to be at its size", 2*time.Minute, s.whole(pool, 8)); err != nil {
		return err
	}
	s.Checked("paused, resumed, kept its node pool, took the size of the console and the newer version; aborted at its size without a mark")
	return nil
}

// turned gives the run of a pool a word by the command line.
func (s *Stage) turned(ctx context.Context, pool, flag string) error {
	if out, talk, code, err := s.CLI(ctx, "cycle", pool, flag); err != nil || code != 0 {
		return fmt.Errorf("tidemill cycle %s: exit %d: %s%s %w", flag, code, out, talk, err)
	}
	return nil
}

// paused pauses the run and waits until it says so.
func (s *Stage) paused(ctx context.Context, pool string) error {
	if err := s.turned(ctx, pool, "--pause"); err != nil {
		return err
	}
	return s.Wait(ctx, "the run to say that it is paused", time.Minute, s.waits(pool, "Paused"))
}

// pausedAndResumed: between the two commands no node is cordoned and none goes.
func (s *Stage) pausedAndResumed(ctx context.Context, pool string) error {
	if err := s.paused(ctx, pool); err != nil {
		return err
	}
	state := func(ctx context.Context) (string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		var cordoned []string
		for _, n := range nodes {
			if n.Spec.Unschedulable {
				cordoned = append(cordoned, n.Name)
			}
		}
		return strings.Join(cordoned, ","), err
	}
	was, err := state(ctx)
	if err != nil {
		return err
	}
	if err := s.Hold(ctx, "the pause", 8*time.Second, func(ctx context.Context) (bool, string, error) {
		is, err := state(ctx)
		// What had been emptied before may go; nothing new is cordoned.
		return strings.Contains(was, is), fmt.Sprintf("cordoned %q, before %q", is, was), err
	}); err != nil {
		return err
	}
	return s.turned(ctx, pool, "--resume")
}

// otherNodePool: a Pool stands for one node pool, in a run too.
func (s *Stage) otherNodePool(ctx context.Context, pool string) error {
	var other string
	for _, p := range s.Sim.Pools() {
		if p.Name != pool {
			other = p.ID
		}
	}
	if other == "" {
		other = "ocid1.nodepool.oc1.iad.another"
	}
	err := s.ChangePool(ctx, pool, func(p *v1alpha1.Pool) { p.Spec.NodePoolID = other })
	if err == nil || !strings.Contains(err.Error(), "nodePoolID cannot be changed") {
		return fmt.Errorf("another node pool in mid-run: %v, want a refusal that says so", err)
	}
	return nil
}

// largerInTheConsole: a person types another size, which is what the pool ends with.
// It is typed in a pause: of a run that goes on, a node that was decided on a moment
// before may be cordoned a moment after, and the watcher would hold the new size
// against it.
func (s *Stage) largerInTheConsole(ctx context.Context, pool string) error {
	if err := s.paused(ctx, pool); err != nil {
		return err
	}
	cloud, err := s.CloudPool(pool)
	if err != nil {
		return err
	}
	p, err := s.Pool(ctx, pool)
	if err != nil || p.Status.Cycle == nil {
		return fmt.Errorf("no run is under way: %w", err)
	}
	// The console knows nothing of surge, and one more than desired is what the pool
	// has as it is. What differs by no more than the machines that were deleted in the
	// last minutes is taken for a list that lags behind.
	want := int(p.Status.Cycle.Desired) + 5
	s.Watcher.Raise(cloud.ID, want, time.Now())
	if _, err := s.Sim.UpdatePool(cloud.ID, okesim.PoolUpdate{Size: &want}, ""); err != nil {
		return err
	}
	err = s.Wait(ctx, "the size of the console to be adopted", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		p, err := s.Pool(ctx, pool)
		if err != nil || p.Status.Cycle == nil {
			return false, "no run", err
		}
		return int(p.Status.Cycle.Desired) == want, fmt.Sprintf("desired is %d, want %d", p.Status.Cycle.Desired, want), nil
	})
	if err != nil {
		return err
	}
	return s.turned(ctx, pool, "--resume")
}

// whole is the probe that the pool has this size, in the cloud and in nodes that
// are available.
func (s *Stage) whole(pool string, size int) Probe {
	return func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		return len(nodes) == size && readyNodes(nodes) == size && s.Size(pool) == size, fmt.Sprintf("%d nodes, %d available, size %d", len(nodes), readyNodes(nodes), s.Size(pool)), err
	}
}
