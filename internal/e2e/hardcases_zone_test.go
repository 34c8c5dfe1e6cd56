package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/playground"
)

// zoneLoss: in the middle of a run one of three availability domains is lost: its
// kubelets fall silent, its machines are still said to run, and nothing can be
// launched there. The other two go on giving nodes as far as their floors and the
// pool's allow; where the run cannot go on it says why. When the domain is back, the
// run ends by itself with every node new.
func zoneLoss(ctx context.Context, s *Stage, pool string) error {
	load := in(pool, Workload{Name: "zone-load", Replicas: 8, Spare: 3})
	var during string
	seen, err := s.watched(ctx, pool, &load, func(before Fleet) error {
		if err := s.Annotate(ctx, pool, v1alpha1.AnnotationCycle, "go"); err != nil {
			return err
		}
		if _, err := s.oldAndIdle(ctx, pool, before); err != nil {
			return err
		}
		back, err := s.loseZone(ctx, pool, 1)
		if err != nil {
			return err
		}
		if during, err = s.stuckOrDone(ctx, pool, before); err != nil {
			return err
		}
		if err := back(ctx); err != nil {
			return err
		}
		if err := s.answered(ctx, Turn{Pool: pool, Key: v1alpha1.AnnotationCycle, Value: "go"}); err != nil {
			return err
		}
		return s.turnedWell(ctx, Turn{Pool: pool, Load: &load}, before, len(before))
	})
	s.Checked("without the zone: %s; with it again the run ended; machines never above %d", during, seen.MostMachines)
	return err
}

// loseZone takes one of the pool's availability domains away: no host is left, no
// kubelet there is heard. What it returns gives it back.
func (s *Stage) loseZone(ctx context.Context, pool string, place int) (back func(context.Context) error, err error) {
	cloud, err := s.CloudPool(pool)
	if err != nil {
		return nil, err
	}
	ad := cloud.Placements[place].AD
	s.Sim.SetCapacity(cloud.Shape, ad, 0)
	each := func(ctx context.Context, do func(context.Context, string, playground.Fault) error) error {
		nodes, _, err := s.NodesOf(ctx, pool)
		for _, n := range nodes {
			if strings.HasSuffix(ad, viewNode(&n).Zone) && err == nil {
				err = do(ctx, n.Name, playground.KubeletStopped)
			}
		}
		return err
	}
	back = func(ctx context.Context) error {
		s.Sim.SetCapacity(cloud.Shape, ad, -1)
		return each(ctx, s.Cluster.Heal)
	}
	if err := each(ctx, s.Cluster.Fault); err != nil {
		return back, err
	}
	return back, s.Wait(ctx, "the zone to be given up", 3*time.Minute, func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		heard := 0
		for i := range nodes {
			if v := viewNode(&nodes[i]); strings.HasSuffix(ad, v.Zone) && v.Ready {
				heard++
			}
		}
		return heard == 0, fmt.Sprintf("%d nodes of it are heard", heard), err
	})
}

// stuckOrDone waits until the run says that it cannot go on without the zone, or has
// renewed every node that is not in it.
func (s *Stage) stuckOrDone(ctx context.Context, pool string, before Fleet) (how string, err error) {
	err = s.Wait(ctx, "the run to go as far as it can", 4*time.Minute, func(ctx context.Context) (bool, string, error) {
		p, err := s.Pool(ctx, pool)
		if err != nil {
			return false, "", err
		}
		nodes, _, err := s.NodesOf(ctx, pool)
		if err != nil {
			return false, "", err
		}
		old := 0
		for i := range nodes {
			if _, was := before[nodes[i].Spec.ProviderID]; was && viewNode(&nodes[i]).Available() {
				old++
			}
		}
		c := condition(p, v1alpha1.ConditionCycling)
		how = fmt.Sprintf("%d old nodes of the others left, %s (%s)", old, c.Reason, zonesOf(nodes))
		return old == 0 || c.Reason == "InsufficientCapacity" || c.Reason == "Braked", how + ": " + c.Message, nil
	})
	return how, err
}
