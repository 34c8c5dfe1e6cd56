package cycle

import (
	"context"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// confirm asks the API server, past the cache, whether the pool is as it was
// decided on: the same run, not paused, no mark on a Node that the snapshot
// did not have, and all there that can be counted on. A cache a second behind has taken
// six nodes instead of five elsewhere.
func (t *turn) confirm(ctx context.Context, pool string) error {
	live, err := t.asAsked(ctx, pool)
	if err != nil {
		return err
	}
	p := t.pools[pool]
	if !sameRun(live.Status.Cycle, p.Run()) {
		return fmt.Errorf("confirm pool %s: %w", pool, cloudprovider.ErrConflict)
	}
	now, err := world.Now(ctx, t.Live)
	if err != nil {
		return fmt.Errorf("confirm nodes of pool %s: %w", pool, err)
	}
	for _, n := range p.Nodes {
		if n.Object == nil {
			continue
		}
		if is, ok := now[n.Object.UID]; !ok || is.Annotations[v1alpha1.AnnotationDisruption] != n.Object.Annotations[v1alpha1.AnnotationDisruption] {
			return fmt.Errorf("confirm node %s: %w", n.Name(), cloudprovider.ErrConflict)
		}
	}
	if err := world.StillAvailable(ctx, t.Live, p.Nodes, now); err != nil {
		return fmt.Errorf("confirm pool %s: %w", pool, err)
	}
	return nil
}

// asAsked is the live Pool, if people ask of it what they did when it was decided on:
// the same spec and the same annotations of ours, a pause and an abort among them. For who
// goes on with a node that was taken before, that is enough: a watch that is silent
// for minutes has had pods evicted and machines ended in a paused pool.
func (t *turn) asAsked(ctx context.Context, pool string) (*v1alpha1.Pool, error) {
	p := t.pools[pool]
	if p == nil || p.Object == nil {
		return nil, fmt.Errorf("confirm pool %s: %w", pool, cloudprovider.ErrConflict)
	}
	var live v1alpha1.Pool
	err := t.Live.Get(ctx, client.ObjectKeyFromObject(p.Object), &live)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("confirm pool %s: %w", pool, err)
	}
	if err != nil || live.UID != p.Object.UID || !maps.Equal(asked(&live), asked(p.Object)) ||
		!equality.Semantic.DeepEqual(live.Spec, p.Object.Spec) {
		return nil, fmt.Errorf("confirm pool %s: %w", pool, cloudprovider.ErrConflict)
	}
	return &live, nil
}

// asked are a Pool's annotations that are addressed to us. Other tools keep their books
// in annotations too, and one that writes at every moment must not hold up a run.
func asked(p *v1alpha1.Pool) map[string]string {
	ours := maps.Clone(p.Annotations)
	maps.DeleteFunc(ours, func(key, _ string) bool { return !strings.HasPrefix(key, v1alpha1.GroupVersion.Group+"/") })
	return ours
}

// stillTaken is an error unless the live Node is the one that was taken, cordoned and
// with the mark that the snapshot has. It is asked before pods are evicted: whoever has
// made the node schedulable wants it back, with what runs there.
func (t *turn) stillTaken(ctx context.Context, n *world.Node) error {
	var live corev1.Node
	err := t.Live.Get(ctx, client.ObjectKeyFromObject(n.Object), &live)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read node %s: %w", n.Name(), err)
	}
	const mark = v1alpha1.AnnotationDisruption
	if err != nil || live.UID != n.Object.UID || !live.Spec.Unschedulable || live.Annotations[mark] != n.Object.Annotations[mark] {
		return fmt.Errorf("node %s was taken back or is another one: %w", n.Name(), cloudprovider.ErrConflict)
	}
	return nil
}

// asSeen is an error unless a machine that is to be counted as a failed join is so in a
// live look too. A watch that is silent for minutes shows none of what has joined
// meanwhile, and three failures stop a run until a person comes.
func (t *turn) asSeen(ctx context.Context, s Step) error {
	if s.NodeUID == "" {
		return t.neverRegistered(ctx, s)
	}
	var live corev1.Node
	err := t.Live.Get(ctx, client.ObjectKey{Name: s.Node}, &live)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read node %s: %w", s.Node, err)
	}
	if seen := t.nodes[s.NodeUID]; err != nil || seen == nil || live.UID != s.NodeUID || live.ResourceVersion != seen.Object.ResourceVersion {
		return fmt.Errorf("node %s is not as it was seen: %w", s.Node, cloudprovider.ErrConflict)
	}
	return nil
}

// sameRun compares what identifies a run, and its size.
func sameRun(a, b *v1alpha1.CycleStatus) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Request == b.Request && a.StartedAt.Equal(&b.StartedAt) && a.Desired == b.Desired
}
