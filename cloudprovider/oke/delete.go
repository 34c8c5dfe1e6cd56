package oke

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Delete implements [cloudprovider.Provider]. It costs two requests for each
// instance, as each write moves the etag so that each needs a look of its own,
// and two for all placeholders together.
//
// Placeholders come last: machines are known by name and may be asked for again,
// but which of the entries without one goes is the service's choice, so that a
// repeated call must not find them half done.
func (p *Provider) Delete(ctx context.Context, id cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	var machines, placeholders []cloudprovider.InstanceID
	for _, in := range ids {
		if in.Placeholder() {
			placeholders = append(placeholders, in)
		} else {
			machines = append(machines, in)
		}
	}
	intents := p.deleteNodes(ctx, id, machines, true)
	if len(placeholders) > 0 {
		intents = append(intents, p.takeBack(id, placeholders))
	}
	return p.inTurn(ctx, id, intents)
}

// Replace implements [cloudprovider.Replacer]. OKE launches the new instance
// when the old one is gone, with the properties that the pool has by then.
func (p *Provider) Replace(ctx context.Context, id cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	for _, in := range ids {
		if in.Placeholder() {
			return fmt.Errorf("replace %s of node pool %s: %w: there is no machine to replace", in, id, cloudprovider.ErrInvalid)
		}
	}
	return p.inTurn(ctx, id, p.deleteNodes(ctx, id, ids, false))
}

func (p *Provider) deleteNodes(ctx context.Context, id cloudprovider.PoolID, ids []cloudprovider.InstanceID, decrement bool) []intent {
	var list []intent
	for _, in := range ids {
		list = append(list, p.deleteNode(ctx, id, in, decrement))
	}
	return list
}

// inTurn brings one intent after the other to its end.
func (p *Provider) inTurn(ctx context.Context, id cloudprovider.PoolID, intents []intent) error {
	release, err := p.hold(ctx, id)
	if err != nil {
		return fmt.Errorf("delete instances of node pool %s: %w", id, err)
	}
	defer release()
	for i, in := range intents {
		if err := p.change(ctx, id, in); err != nil {
			return fmt.Errorf("delete instances of node pool %s, %d of %d: %w", id, i+1, len(intents), err)
		}
	}
	return nil
}

// deleteNode removes one machine. decrement lowers the size by one; without it
// OKE launches another.
//
// The grace is nothing and forced: whoever calls has drained, by the Eviction
// API and under budgets that the service's own drain does not know.
//
// What is gone before a request can have been carried out is noted, see
// [cloudprovider.FoundGone]: the size is what whoever took it has left.
func (p *Provider) deleteNode(ctx context.Context, pool cloudprovider.PoolID, id cloudprovider.InstanceID, decrement bool) intent {
	perhaps := false // a request may have been carried out
	return intent{
		decide: func(l look) (func(context.Context) error, error) {
			if gone(l.pool.Nodes, id) {
				if !perhaps {
					cloudprovider.FoundGone(ctx)
				}
				return nil, nil
			}
			return func(ctx context.Context) error {
				_, err := call(ctx, p, p.writePolicy, "DeleteNode", func(ctx context.Context) (containerengine.DeleteNodeResponse, error) {
					return p.writes.DeleteNode(ctx, containerengine.DeleteNodeRequest{
						NodePoolId: common.String(string(pool)), NodeId: common.String(string(id)), IfMatch: l.etag,
						IsDecrementSize:                           common.Bool(decrement),
						OverrideEvictionGraceDuration:             common.String("PT0M"),
						IsForceDeletionAfterOverrideGraceDuration: common.Bool(true),
					})
				})
				perhaps = perhaps || err != nil && !certainlyRefused(err)
				return nodeConflict(err)
			}, nil
		},
		// "not found" and "already being deleted" are success if the next look
		// agrees. A busy pool answers 409 as well, and then nothing was deleted:
		// taking every 409 for success loses the node from sight.
		moot: func(err error) bool {
			s := status(err)
			return s == http.StatusNotFound || s == http.StatusConflict
		},
	}
}

// nodeConflict makes every 409 of DeleteNode one that looking again may resolve:
// also the code that elsewhere means "never".
func nodeConflict(err error) error {
	var e *apiError
	if errors.As(err, &e) && e.status == http.StatusConflict {
		e.sentinel = cloudprovider.ErrConflict
	}
	return err
}

// gone is whether the machine is deleted or on its way out, which cannot be
// taken back.
func gone(nodes []containerengine.Node, id cloudprovider.InstanceID) bool {
	for _, n := range nodes {
		if str(n.Id) == string(id) {
			return n.LifecycleState == containerengine.NodeLifecycleStateDeleting || n.LifecycleState == containerengine.NodeLifecycleStateDeleted
		}
	}
	return true
}

// takeBack gives up entries that have no machine. DeleteNode needs an instance
// OCID, so that lowering the size is the only way, and by all of them in one
// write: after the first of two the service may have taken the other.
func (p *Provider) takeBack(pool cloudprovider.PoolID, ids []cloudprovider.InstanceID) intent {
	var from, to int
	began := false
	return intent{decide: func(l look) (func(context.Context) error, error) {
		if !began {
			began = true
			from, to = l.size(), l.size()-listed(pool, l.pool, ids)
		}
		switch l.size() {
		case to:
			return nil, nil
		case from:
			return p.setSize(pool, l, to)
		}
		return nil, fmt.Errorf("%w: the node pool's size went from %d to %d", cloudprovider.ErrConflict, from, l.size())
	}}
}

// listed counts the IDs that the pool still lists, or lacks, and is not removing.
func listed(id cloudprovider.PoolID, pool containerengine.NodePool, ids []cloudprovider.InstanceID) int {
	n := 0
	for _, in := range entries(id, pool.Nodes) {
		if in.State != cloudprovider.Deleting && slices.Contains(ids, in.ID) {
			n++
		}
	}
	for _, in := range missing(pool) {
		if slices.Contains(ids, in) {
			n++
		}
	}
	return n
}
