package oke

import (
	"context"
	"fmt"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Resize implements [cloudprovider.Provider]. It costs two requests: the look
// and the write.
func (p *Provider) Resize(ctx context.Context, id cloudprovider.PoolID, from, to int) error {
	release, err := p.hold(ctx, id)
	if err != nil {
		return fmt.Errorf("resize node pool %s from %d to %d: %w", id, from, to, err)
	}
	defer release()
	err = p.change(ctx, id, intent{decide: func(l look) (func(context.Context) error, error) {
		if l.size() == to {
			return nil, nil
		}
		if l.size() != from {
			return nil, fmt.Errorf("%w: its size is %d", cloudprovider.ErrConflict, l.size())
		}
		return p.setSize(id, l, to)
	}})
	if err != nil {
		return fmt.Errorf("resize node pool %s from %d to %d: %w", id, from, to, err)
	}
	return nil
}

// setSize is the write of a size, unless a live instance would go for it.
//
// Which nodes go when the size is lowered is the service's choice: those without
// an instance first. As long as the new size has room for all live ones it has no
// reason to choose among them. An entry that gets its instance between the look
// and the write is the gap that remains: nothing the service offers closes it.
func (p *Provider) setSize(id cloudprovider.PoolID, l look, to int) (func(context.Context) error, error) {
	if l.pool.NodeConfigDetails == nil || l.pool.NodeConfigDetails.Size == nil {
		return nil, fmt.Errorf("%w: the node pool has a quantity per subnet and no size", cloudprovider.ErrNotSupported)
	}
	if n := live(l.pool.Nodes); to < l.size() && to < n {
		return nil, fmt.Errorf("%w: %d instances live, a size of %d would cost one its life", cloudprovider.ErrConflict, n, to)
	}
	return p.update(id, l, containerengine.UpdateNodePoolDetails{
		NodeConfigDetails: &containerengine.UpdateNodePoolNodeConfigDetails{Size: common.Int(to)},
	}), nil
}

// live counts the entries that have a machine which is to stay.
func live(nodes []containerengine.Node) int {
	n := 0
	for _, node := range nodes {
		leaving := node.LifecycleState == containerengine.NodeLifecycleStateDeleting || node.LifecycleState == containerengine.NodeLifecycleStateDeleted
		if str(node.Id) != "" && !leaving {
			n++
		}
	}
	return n
}

// update is a PUT of as few fields as possible: what is absent stays, and a
// placement sent back by accident may move every node of the pool.
func (p *Provider) update(id cloudprovider.PoolID, l look, details containerengine.UpdateNodePoolDetails) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := call(ctx, p, p.writePolicy, "UpdateNodePool", func(ctx context.Context) (containerengine.UpdateNodePoolResponse, error) {
			return p.writes.UpdateNodePool(ctx, containerengine.UpdateNodePoolRequest{
				NodePoolId: common.String(string(id)), UpdateNodePoolDetails: details, IfMatch: l.etag,
			})
		})
		return err
	}
}
