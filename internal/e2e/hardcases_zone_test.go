package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

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
		zone, err := s.loseZone(ctx, pool, 1)
		if err != nil {
			return err
		}
		if during, err = s.stuckOrDone(ctx, zone, before); err != nil {
			return err
		}
		if err := zone.back(ctx); err != nil {
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

// lostZone is one of a pool's availability domains while it is away: no host is left,
// no kubelet there is heard. A machine that was on its way when it was lost comes up
// all the same, and the end of one gives its host back: both are seen to at each look.
type lostZone struct {
	s           *Stage
	pool, shape string
	ad          string
	silenced    map[string]bool
}

// loseZone takes one of the pool's availability domains away, and waits until the
// control plane has given up its nodes.
func (s *Stage) loseZone(ctx context.Context, pool string, place int) (*lostZone, error) {
	cloud, err := s.CloudPool(pool)
	if err != nil {
		return nil, err
	}
	z := &lostZone{s: s, pool: pool, shape: cloud.Shape, ad: cloud.Placements[place].AD, silenced: map[string]bool{}}
	return z, s.Wait(ctx, "the zone to be given up", 3*time.Minute, func(ctx context.Context) (bool, string, error) {
		heard, err := z.hold(ctx)
		return heard == 0, fmt.Sprintf("%d nodes of it are heard", heard), err
	})
}

// hold keeps the zone away, and says how many nodes of it are still called Ready.
func (z *lostZone) hold(ctx context.Context) (heard int, err error) {
	z.s.Sim.SetCapacity(z.shape, z.ad, 0)
	err = z.each(ctx, func(n *NodeView) error {
		if n.Ready {
			heard++
		}
		if z.silenced[n.Name] {
			return nil
		}
		z.silenced[n.Name] = true
		return z.s.Cluster.Fault(ctx, n.Name, playground.KubeletStopped)
	})
	return heard, err
}

// back gives the zone back.
func (z *lostZone) back(ctx context.Context) error {
	z.s.Sim.SetCapacity(z.shape, z.ad, -1)
	return z.each(ctx, func(n *NodeView) error { return z.s.Cluster.Heal(ctx, n.Name, playground.KubeletStopped) })
}

// each is for the nodes of the zone. One that goes meanwhile is none of it.
func (z *lostZone) each(ctx context.Context, do func(*NodeView) error) error {
	nodes, _, err := z.s.NodesOf(ctx, z.pool)
	if err != nil {
		return err
	}
	for i := range nodes {
		v := viewNode(&nodes[i])
		if !strings.HasSuffix(z.ad, v.Zone) {
			continue
		}
		if err := do(&v); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// stuckOrDone waits until the run says that it cannot go on without the zone, or has
// renewed every node that is not in it.
func (s *Stage) stuckOrDone(ctx context.Context, z *lostZone, before Fleet) (how string, err error) {
	err = s.Wait(ctx, "the run to go as far as it can", 4*time.Minute, func(ctx context.Context) (bool, string, error) {
		if _, err := z.hold(ctx); err != nil {
			return false, "", err
		}
		p, err := s.Pool(ctx, z.pool)
		if err != nil {
			return false, "", err
		}
		nodes, _, err := s.NodesOf(ctx, z.pool)
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
