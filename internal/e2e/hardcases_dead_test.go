package e2e

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/playground"
)

// A node that lies dead holds its pods by their names and its volumes by their
// attachments. Three ways to be dead, and what is known of each:
//
//	kubelet   machine        may its pods be made again?
//	silent    STOPPED        yes: two witnesses agree, the taint out-of-service frees them
//	silent    RUNNING        no: it may write to its volumes still; only its end frees them
//	silent    terminated     the Node goes by itself; the pool's entry stays, and is refilled

// outOfService is whether the Node carries the taint, and by whose hand.
func outOfService(n *corev1.Node) string {
	for _, t := range n.Spec.Taints {
		if t.Key == v1alpha1.TaintOutOfService {
			return t.Value
		}
	}
	return ""
}

// stoppedInTheCloud: the machine is down and stays so. The cloud proves it, the node
// is put out of service, and its set's pod comes back elsewhere with its volume,
// without a run. A run then takes the dead node first.
func stoppedInTheCloud(ctx context.Context, s *Stage, pool string) error {
	a, on, err := s.kept(ctx, pool, pool)
	if err != nil {
		return err
	}
	if err := s.Sim.StopInstance(on.Spec.ProviderID); err != nil {
		return err
	}
	down := time.Now()
	var n corev1.Node
	if err := s.Wait(ctx, "the dead node to be put out of service", 4*time.Minute, a.beside(func(ctx context.Context) (bool, string, error) {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(on), &n)
		return outOfService(&n) == v1alpha1.Own, fmt.Sprintf("taints %v", n.Spec.Taints), err
	})); err != nil {
		return err
	}
	proven := time.Since(down)
	if err := s.Wait(ctx, "the event that says so", time.Minute, s.said(pool, "NodeOutOfService", "the cloud says that its machine is Stopped, and its kubelet is silent")); err != nil {
		return err
	}
	if err := s.movedFrom(ctx, a, on, time.Minute); err != nil {
		return err
	}
	moved := time.Since(down) - proven
	seen, err := s.watched(ctx, pool, nil, func(before Fleet) error { return s.turnBeside(ctx, pool, before, a) })
	if err != nil {
		return err
	}
	s.Checked("out of service after %.0f s, its pod and volume are elsewhere %.0f s later; the run then took all %d, available never below %d",
		proven.Seconds(), moved.Seconds(), 3, seen.LeastAvailable)
	return nil
}

// turnBeside asks for a turn-over and sees it through while volumes are moved.
func (s *Stage) turnBeside(ctx context.Context, pool string, before Fleet, a *attacher) error {
	if err := s.Annotate(ctx, pool, v1alpha1.AnnotationCycle, "go"); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the turn-over of "+pool, 4*time.Minute, a.beside(s.ended(pool, "go", "Succeeded"))); err != nil {
		return err
	}
	cloud, err := s.CloudPool(pool)
	if err != nil {
		return err
	}
	return s.turnedWell(ctx, Turn{Pool: pool}, before, cloud.Size)
}

// silentOnly: the kubelet is dead, and the cloud says that the machine runs. It may
// write to its volume still: the taint must not be set, and the volume must not be
// elsewhere before the machine has ended. The run takes it first and ends.
func silentOnly(ctx context.Context, s *Stage, pool string) error {
	a, on, err := s.kept(ctx, pool, pool)
	if err != nil {
		return err
	}
	a.dead = on.Name
	if err := s.Cluster.Fault(ctx, on.Name, playground.KubeletStopped); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the node to be silent", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		var n corev1.Node
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(on), &n)
		return !viewNode(&n).Ready, "it is Ready", err
	}); err != nil {
		return err
	}
	seen, err := s.watched(ctx, pool, nil, func(before Fleet) error {
		if err := s.Annotate(ctx, pool, v1alpha1.AnnotationCycle, "go"); err != nil {
			return err
		}
		if err := s.firstToGo(ctx, a, on, before); err != nil {
			return err
		}
		if err := s.movedFrom(ctx, a, on, 2*time.Minute); err != nil {
			return err
		}
		return s.turnBeside(ctx, pool, before, a)
	})
	if err != nil {
		return err
	}
	s.Checked("the silent node went first and was never put out of service; its pod came back elsewhere after its machine's end; available never below %d", seen.LeastAvailable)
	return nil
}

// firstToGo waits until the machine of this node ends, which must be the first, and
// sees that nothing of it is used elsewhere while it runs.
func (s *Stage) firstToGo(ctx context.Context, a *attacher, on *corev1.Node, before Fleet) error {
	return s.Wait(ctx, "the silent node to go", 4*time.Minute, func(ctx context.Context) (bool, string, error) {
		if !s.running(on.Spec.ProviderID) {
			return true, "", nil
		}
		for id := range before {
			if !s.running(id) {
				return false, "", fmt.Errorf("the machine of node %s ends before that of the dead one", before[id])
			}
		}
		var n corev1.Node
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(on), &n); err != nil {
			return false, "", client.IgnoreNotFound(err)
		}
		if by := outOfService(&n); by != "" {
			return false, "", fmt.Errorf("the node is put out of service by %q while its machine runs", by)
		}
		if now, err := s.under(ctx, a.app); err != nil || now != nil && now.UID != on.UID && s.running(on.Spec.ProviderID) {
			return false, "", errors.Join(err, errors.New("its pod runs elsewhere while its machine runs"))
		}
		if _, err := a.work(ctx); err != nil {
			return false, "", err
		}
		p, err := s.Pool(ctx, on.Labels["case"])
		if err != nil {
			return false, "", err
		}
		return false, p.Status.Activity, nil
	})
}

// running is whether the cloud says that the machine runs.
func (s *Stage) running(machine string) bool {
	i, err := s.Sim.Instance(machine)
	return err == nil && i.State == "RUNNING"
}

// lostInMidRun: the host of an old node is lost in the middle of the run, the Node
// goes by the cloud's controller, and OKE notices nothing: its entry stays. The run
// must not wait for it, and end with as many nodes as there were.
func lostInMidRun(ctx context.Context, s *Stage, pool string) error {
	load := in(pool, Workload{Name: "lost-load", Replicas: 6, Spare: 2})
	var lost string
	seen, err := s.watched(ctx, pool, &load, func(before Fleet) error {
		if err := s.Annotate(ctx, pool, v1alpha1.AnnotationCycle, "go"); err != nil {
			return err
		}
		victim, err := s.oldAndIdle(ctx, pool, before)
		if err != nil {
			return err
		}
		lost = victim.Name
		s.Watcher.Excuse(victim.Spec.ProviderID, "its host was lost")
		s.Sim.KillInstance(victim.Spec.ProviderID)
		if err := s.answered(ctx, Turn{Pool: pool, Key: v1alpha1.AnnotationCycle, Value: "go"}); err != nil {
			return err
		}
		return s.turnedWell(ctx, Turn{Pool: pool, Load: &load}, before, len(before))
	})
	if err != nil {
		return err
	}
	cloud, err := s.CloudPool(pool)
	if err != nil {
		return err
	}
	for _, n := range cloud.Nodes {
		if !s.running(n.ID) {
			return fmt.Errorf("entry %s of the pool has no machine that runs", n.Name)
		}
	}
	s.Checked("the machine of %s was lost, no entry of it is left, the run ended; machines never above %d", lost, seen.MostMachines)
	return nil
}

// oldAndIdle waits until an old node is gone, and gives one that is not its turn yet.
func (s *Stage) oldAndIdle(ctx context.Context, pool string, before Fleet) (*corev1.Node, error) {
	var found *corev1.Node
	err := s.Wait(ctx, "the first old node to go", 3*time.Minute, func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		if err != nil {
			return false, "", err
		}
		left := 0
		for i := range nodes {
			if _, old := before[nodes[i].Spec.ProviderID]; !old {
				continue
			}
			left++
			if viewNode(&nodes[i]).Available() {
				found = &nodes[i]
			}
		}
		return left < len(before) && found != nil, fmt.Sprintf("%d of %d are left", left, len(before)), nil
	})
	return found, err
}
