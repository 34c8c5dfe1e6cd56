package scale

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// A look goes by a cache, and a watch can be silent for minutes without anybody
// noticing: a connection that is half open, a proxy that holds on to it. By then a
// person may have paused the pool, or a run of this very process have begun. A
// Node is written under the version it was decided on, so that one that has changed
// refuses; nothing of the kind keeps an old Pool from being obeyed. So before the
// first deed in a pool the API server itself is asked for it. And before the first node
// goes, for those that have changed of the nodes that stay: where a zone is down of which
// nobody has heard, there is no place for its pods.

// unconfirmed is why a deed that was planned is not done.
type unconfirmed struct {
	reason  Reason
	message string
	err     error // why the Pool could not be read, ErrConflict when it was
}

func (u *unconfirmed) Error() string {
	if u.reason == Unconfirmed {
		return u.err.Error()
	}
	return because(string(u.reason), u.message)
}

func (u *unconfirmed) Unwrap() error { return u.err }

// confirm is an error, an *unconfirmed, unless the live Pool is one that the same
// would be decided on. With disturbing set it must not be paused either: a pause
// does not keep a pool from growing.
func (l *Loop) confirm(ctx context.Context, p *world.Pool, disturbing bool) error {
	var live v1alpha1.Pool
	err := l.reader().Get(ctx, client.ObjectKeyFromObject(p.Object), &live)
	now := &world.Pool{Object: &live}
	switch {
	case apierrors.IsNotFound(err):
		return &unconfirmed{PoolChanged, "it was deleted", cloudprovider.ErrConflict}
	case err != nil:
		err = fmt.Errorf("confirm pool %s: %w", p.Name, err)
		return &unconfirmed{Unconfirmed, oneLine(err.Error()), err}
	case live.UID != p.Object.UID:
		return &unconfirmed{PoolChanged, "it is another Pool of the same name", cloudprovider.ErrConflict}
	case !equality.Semantic.DeepEqual(live.Spec, p.Object.Spec):
		return &unconfirmed{PoolChanged, "its spec is not any more what was decided on", cloudprovider.ErrConflict}
	case now.Run() != nil && p.Run() == nil:
		return &unconfirmed{PoolCycling, "a run has begun since", cloudprovider.ErrConflict}
	case now.Run() == nil && p.Run() != nil:
		return &unconfirmed{PoolChanged, "its run has ended since", cloudprovider.ErrConflict}
	case disturbing && now.Paused() && !p.Paused():
		return &unconfirmed{PoolPaused, "it was paused since", cloudprovider.ErrConflict}
	}
	return nil
}

// reader is what reads past the cache.
func (l *Loop) reader() client.Reader {
	if l.Live != nil {
		return l.Live
	}
	return l.Client
}

// confirmed are the answers for the pools that nodes are let go of in one look: a
// pool is asked for once, whatever the number of its nodes, and so are the nodes.
type confirmed struct {
	pools map[string]error
	nodes func() error
}

func (l *Loop) confirming(ctx context.Context, plan *Plan) confirmed {
	return confirmed{map[string]error{}, sync.OnceValue(func() error { return l.confirmNodes(ctx, plan) })}
}

// confirmNodes is an error, an *unconfirmed, unless the nodes of all pools can be counted
// on as they could when this was decided.
func (l *Loop) confirmNodes(ctx context.Context, plan *Plan) error {
	var nodes []*world.Node
	for _, v := range plan.Pools {
		if v.pool != nil {
			nodes = append(nodes, v.pool.Nodes...)
		}
	}
	now, err := world.Now(ctx, l.reader())
	if err == nil {
		err = world.StillAvailable(ctx, l.reader(), nodes, now)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("confirm: %w", err)
	return &unconfirmed{Unconfirmed, oneLine(err.Error()), err}
}

// remove marks the node to leave, if its Pool still is what was decided on, and so are
// the nodes that stay.
func (l *Loop) remove(ctx context.Context, plan *Plan, asked confirmed, r Removal) error {
	no, ok := asked.pools[r.Pool]
	if v := plan.poolVerdict(r.Pool); !ok && v != nil {
		if no = l.confirm(ctx, v.pool, true); no == nil {
			no = asked.nodes()
		}
		asked.pools[r.Pool] = no
	}
	if no != nil {
		return no
	}
	return l.patch(ctx, r.node.Object, func(n *corev1.Node) { r.mark(n, plan.Now) })
}

// hold takes what was not confirmed out of the removals: such a node stays, and why
// is said like that of any other.
func (p *Plan) hold(asked confirmed) {
	var left []Removal
	for _, r := range p.Removals {
		var no *unconfirmed
		if !errors.As(asked.pools[r.Pool], &no) {
			left = append(left, r)
			continue
		}
		p.Nodes = append(p.Nodes, NodeVerdict{r.Node, r.Pool, no.reason, no.message, r.node})
	}
	if len(left) < len(p.Removals) {
		p.Removals = left
		p.sortNodes()
	}
}

// mayResize confirms what is about to be asked of the cloud. What is not confirmed is
// the pool's verdict of this look, for metrics and plans; it is not written into its
// status, which would be a judgement of an old Pool in a new one.
func (l *Loop) mayResize(ctx context.Context, plan *Plan, p *world.Pool) error {
	err := l.confirm(ctx, p, false)
	var no *unconfirmed
	if v := plan.poolVerdict(p.Name); v != nil && errors.As(err, &no) {
		v.Reason, v.Message, v.recorded = no.reason, no.message, true
	}
	return err
}
