package cycle

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
)

// witness is the API server with an answer of its own for Pools.
type witness struct {
	client.Reader
	err   error
	asked int
}

func (a *witness) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, ok := o.(*v1alpha1.Pool); ok {
		if a.asked++; a.err != nil {
			return a.err
		}
	}
	return a.Reader.Get(ctx, key, o, opts...)
}

// TestWhatPeopleHaveStoppedIsNotGoneOnWith: the watch of Pools is silent, and a person
// has paused the pool, or called its run off, since the plan was made. No pod is asked
// to leave then, and no machine is ended or restarted. The Pool is asked for once.
func TestWhatPeopleHaveStoppedIsNotGoneOnWith(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*simulation, *witness)
		goesOn bool
	}{
		"as it was":     {func(*simulation, *witness) {}, true},
		"a larger size": {func(s *simulation, _ *witness) { s.change(func(p *v1alpha1.Pool) { p.Status.Cycle.Desired++ }) }, true},
		"paused":        {func(s *simulation, _ *witness) { s.ask(v1alpha1.AnnotationPause, "true") }, false},
		"aborted":       {func(s *simulation, _ *witness) { s.ask(v1alpha1.AnnotationAbort, "now") }, false},
		"another spec": {func(s *simulation, _ *witness) {
			s.change(func(p *v1alpha1.Pool) { p.Spec.Cycle.Mode = v1alpha1.CycleOff })
		}, false},
		"another pool of the name": {func(s *simulation, _ *witness) { s.change(func(p *v1alpha1.Pool) { p.UID = "another" }) }, false},
		"deleted": {func(_ *simulation, a *witness) {
			a.err = apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("pools").GroupResource(), "workers")
		}, false},
		"no answer": {func(_ *simulation, a *witness) { a.err = errors.New("the API server has a bad day") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				s.town.watch = nil
				s.ask(v1alpha1.AnnotationCycle, "now")
				s.until(func() bool { return s.town.pool.Status.Cycle != nil })
				s.change(func(p *v1alpha1.Pool) { p.Status.Cycle.Least-- }) // written before a machine is ended
				nodes := s.look().Nodes
				empty, full := nodes[0].Name(), nodes[1].Name()
				for _, p := range s.town.pods {
					if p.Spec.NodeName == empty {
						p.Spec.NodeName = nodes[2].Name()
					}
				}
				s.edit(empty, func(n *corev1.Node) { drainedMark(n, time.Now()) })
				s.edit(full, func(n *corev1.Node) {
					now := time.Now().Add(-time.Minute)
					kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseCycle, Reason: string(Outdated), Since: now, DrainStarted: &now}))
				})
				turn, live, evicted := s.turn(t), &witness{Reader: s.town}, 0
				s.town.evicted = func(bool) { evicted++ }
				s.loop.Live = live
				c.change(s, live)
				step := func(k Kind, node string) Step {
					return Step{Kind: k, Pool: "workers", PoolID: s.id, Node: node, NodeUID: s.town.nodes[node].UID, Instance: cloudprovider.InstanceID(node)}
				}
				err := turn.act(t.Context(), []Step{step(Drain, full), step(DeleteInstance, empty)})
				if bad := err != nil && strings.Contains(err.Error(), "bad day"); bad != (name == "no answer") {
					t.Errorf("error %v", err)
				}
				if ended := slices.Contains(strings.Fields(s.calls()), "Delete"); ended != c.goesOn || (evicted > 0) != c.goesOn {
					t.Errorf("ended: %v, evicted %d pods", ended, evicted)
				}
				if live.asked != 1 {
					t.Errorf("the Pool was asked for %d times", live.asked)
				}
			})
		})
	}
}

// TestEachDeedIsAskedFor: whatever asks pods to leave, or ends or restarts a machine.
func TestEachDeedIsAskedFor(t *testing.T) {
	for _, k := range Kinds {
		want := slices.Contains([]Kind{Drain, DeleteInstance, Refill, Reboot, ReplaceBootVolume}, k)
		if k.disturbs() != want || k.risky() && want {
			t.Errorf("%s: %v", k, k.disturbs())
		}
	}
}
