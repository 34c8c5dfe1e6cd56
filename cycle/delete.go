package cycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// errStayed says that a live look found a reason not to delete. It is no
// failure: the next tick decides anew.
var errStayed = errors.New("not deleted after a live look")

// errWasGone says that the machine was gone when it was to be deleted: OKE, which cycles
// the pool, or a person has taken it, and perhaps not its place.
var errWasGone = errors.New("the machine was gone already")

// deleteOnce is delete, and errWasGone if there was nothing to delete.
func (t *turn) deleteOnce(ctx context.Context, s Step) error {
	ctx, found := cloudprovider.Finding(ctx)
	err := t.delete(ctx, s)
	if err == nil && found.Gone > 0 {
		t.log().Info("cycle: nothing to delete: "+errWasGone.Error(), "instance", s.Instance, "node", s.Node)
		return errWasGone
	}
	return err
}

// delete ends a machine, if a live look still allows it. This is the one deed
// that nothing undoes, so it believes no cache: the Node has to be the one that
// was drained, by UID and by provider ID, still cordoned and still empty; or
// there is no Node for the instance at all.
func (t *turn) delete(ctx context.Context, s Step) error {
	holds := t.stillDrained
	if s.NodeUID == "" {
		holds = t.neverRegistered
	}
	ctx, err := t.still(ctx, s, holds)
	if err != nil {
		return err
	}
	return t.Fleet.Delete(ctx, s.PoolID, s.Instance)
}

// still asks a question about a step, and has it asked again before each request that is
// sent later: a busy pool is asked for half a minute.
func (t *turn) still(ctx context.Context, s Step, holds func(context.Context, Step) error) (context.Context, error) {
	return cloudprovider.Still(ctx, func(ctx context.Context) error { return holds(ctx, s) })
}

// neverRegistered is an error if any Node names the instance.
func (t *turn) neverRegistered(ctx context.Context, s Step) error {
	var nodes corev1.NodeList
	if err := t.Live.List(ctx, &nodes); err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	for i := range nodes.Items {
		if world.ProviderID(&nodes.Items[i]) == s.Instance {
			t.log().Info("cycle: the instance has become a node meanwhile and stays", "instance", s.Instance, "node", nodes.Items[i].Name)
			return errStayed
		}
	}
	return nil
}

// stillDrained is an error unless the live Node may lose its machine.
func (t *turn) stillDrained(ctx context.Context, s Step) error {
	var live corev1.Node
	err := t.Live.Get(ctx, client.ObjectKey{Name: s.Node}, &live)
	if apierrors.IsNotFound(err) {
		// Somebody deleted the Node, and with it the proof that it was drained.
		return t.stayed(s, "its Node is gone")
	}
	if err != nil {
		return fmt.Errorf("read node %s: %w", s.Node, err)
	}
	mark, err := kube.MarkOf(&live)
	switch {
	case err != nil:
		return err
	case mark == nil || mark.Drained == nil:
		return t.stayed(s, "it is not marked as drained")
	case live.UID != s.NodeUID || mark.InstanceID != live.Spec.ProviderID || world.ProviderID(&live) != s.Instance:
		return t.stayed(s, "it is not the node that was drained")
	case !live.Spec.Unschedulable:
		return t.stayed(s, "somebody made it schedulable")
	}
	if err := t.nobodyElse(ctx, s, mark); err != nil {
		return err
	}
	n := &world.Node{Object: &live, Mark: mark}
	empty, err := t.drainer.Empty(ctx, t.target(n, s))
	if err != nil || empty {
		return err
	}
	// Something that tolerates every taint has moved in.
	if err := t.setMark(ctx, n, begunAgain(*mark, time.Now().UTC())); err != nil {
		return err
	}
	return t.stayed(s, "pods have come to it since it was drained")
}

// begunAgain is the mark of a drained node that pods have come to. The time for which
// it stood empty, a soak perhaps, does not count: the pods have what is left of the
// drain's time. A node that fills up each time does not get that anew.
func begunAgain(m kube.Mark, now time.Time) kube.Mark {
	if stood := now.Sub(*m.Drained); m.DrainStarted != nil && stood > 0 {
		at := m.DrainStarted.Add(stood)
		m.DrainStarted = &at
	}
	m.Drained = nil
	return m
}

// nobodyElse is an error while another Node names the same machine and has pods: one of
// the two is an impostor, and whichever it is, somebody's pods may run there.
func (t *turn) nobodyElse(ctx context.Context, s Step, mark *kube.Mark) error {
	for _, other := range t.snapshot.Unmanaged {
		if other.Object == nil || other.Object.UID == s.NodeUID || world.ProviderID(other.Object) != s.Instance {
			continue
		}
		empty, err := t.drainer.Empty(ctx, t.target(&world.Node{Object: other.Object, Mark: mark}, s))
		if err != nil {
			return err
		}
		if !empty {
			return t.stayed(s, "node "+other.Object.Name+" names the same machine and has pods")
		}
	}
	return nil
}

func (t *turn) stayed(s Step, why string) error {
	t.log().Info("cycle: instance stays: "+why, "instance", s.Instance, "node", s.Node)
	return errStayed
}
