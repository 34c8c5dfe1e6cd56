package externalgrpc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// deletion is what a call to delete comes to.
type deletion struct {
	ids []cloudprovider.InstanceID // still there and to go, each once
	// working is how many of them are machines that became nodes: the minimum
	// protects these and no others.
	working int
	// unknown are machines that the view does not list: gone, or so new.
	unknown []*wire.ExternalGrpcNode
}

// NodeGroupDeleteNodes deletes exactly these nodes. What is gone, or on its
// way, counts as done: clients repeat the call each loop until they do not see
// the node any more. Everything is checked before anything is written.
func (p *Plugin) NodeGroupDeleteNodes(ctx context.Context, r *wire.NodeGroupDeleteNodesRequest) (*wire.NodeGroupDeleteNodesResponse, error) {
	err := p.write(ctx, r.GetId(), func(ctx context.Context, g *group) (done, error) {
		d, err := p.sort(g, r.GetNodes())
		if err == nil && len(d.unknown) > 0 {
			g, d, err = p.lookAgain(ctx, g, r.GetNodes())
		}
		if err != nil || len(d.ids) == 0 {
			return done{}, err
		}
		if v := g.running(); !v.none() {
			return done{}, p.refused(v, "delete nodes of group "+g.pool.Name)
		}
		if left := g.pool.Size - len(d.ids); d.working > 0 && left < g.bounds.Min {
			return done{}, refuse("delete %d nodes of group %s: %d would be left, at least %d", len(d.ids), g.pool.Name, left, g.bounds.Min)
		}
		if err := p.options.Fleet.Delete(ctx, g.pool.ID, d.ids...); err != nil {
			return done{}, err
		}
		return done{wrote: true, size: max(0, g.pool.Size-len(d.ids)), gone: set(d.ids)}, nil
	})
	if err != nil {
		return nil, err
	}
	return &wire.NodeGroupDeleteNodesResponse{}, nil
}

// sort tells what is to go from what is gone, and refuses what is not the
// group's or not the client's.
func (p *Plugin) sort(g *group, nodes []*wire.ExternalGrpcNode) (deletion, error) {
	v, err := p.now()
	if err != nil {
		return deletion{}, err
	}
	var d deletion
	for _, n := range nodes {
		id := instanceID(n.GetProviderId())
		if id == "" {
			return deletion{}, status.Errorf(codes.InvalidArgument, "delete node %q of group %s: it has no provider ID", n.GetName(), g.pool.Name)
		}
		at, listed := v.byInstance[id]
		if listed && at.pool != g.pool.ID || id.Placeholder() && id.PlaceholderPool() != g.pool.ID {
			return deletion{}, status.Errorf(codes.InvalidArgument, "delete node %q (%s): it is not of group %s", n.GetName(), id, g.pool.Name)
		}
		switch {
		case !listed && !id.Placeholder():
			d.unknown = append(d.unknown, n)
		case !listed, at.instance.State == cloudprovider.Deleting, slices.Contains(d.ids, id):
		case !at.veto.none():
			return deletion{}, p.refused(at.veto, fmt.Sprintf("delete node %q of group %s", n.GetName(), g.pool.Name))
		default:
			d.ids = append(d.ids, id)
			if became(n, at.instance) {
				d.working++
			}
		}
	}
	return d, nil
}

// became is whether a machine became a node. Clients say of those that did not
// that they made the node up.
func became(n *wire.ExternalGrpcNode, in cloudprovider.Instance) bool {
	return !in.ID.Placeholder() && in.State != cloudprovider.Failed && n.GetAnnotations()[fakeNodeReason] == ""
}

// lookAgain sorts by a new look: a machine that an old look does not list may be
// newer than it, and "gone" must not be said of one that runs. What the new look
// does not list either is gone.
func (p *Plugin) lookAgain(ctx context.Context, g *group, nodes []*wire.ExternalGrpcNode) (*group, deletion, error) {
	fresh, err := p.reread(ctx, g)
	if err != nil {
		return g, deletion{}, err
	}
	d, err := p.sort(fresh, nodes)
	if err != nil {
		return fresh, d, err
	}
	for _, n := range d.unknown {
		if pool := n.GetAnnotations()[v1alpha1.AnnotationNodePoolID]; pool != "" && pool != string(g.pool.ID) {
			return fresh, d, status.Errorf(codes.InvalidArgument, "delete node %q: it is of node pool %s, not of group %s", n.GetName(), pool, g.pool.Name)
		}
		p.log.Info("asked to delete a node whose machine is gone", "group", g.pool.Name, "node", n.GetName(), "instance", n.GetProviderId())
	}
	return fresh, d, nil
}

// reread is the group as the cloud has it at this moment. The caller holds the
// pool's turn.
func (p *Plugin) reread(ctx context.Context, g *group) (*group, error) {
	cloud := p.options.Fleet.Observe(ctx)
	if cloud.Err != nil {
		return nil, cloud.Err
	}
	i := slices.IndexFunc(cloud.Pools, func(c cloudprovider.NodePool) bool { return c.ID == g.pool.ID })
	if i < 0 {
		return nil, status.Errorf(codes.NotFound, "the node pool of group %s is gone", g.pool.Name)
	}
	if err := cloud.Pools[i].Health.Err; err != nil {
		return nil, errors.Join(errors.New("the group cannot be read"), err)
	}
	p.mu.Lock()
	p.cloud = merge(p.cloud, cloud, func(id cloudprovider.PoolID) bool {
		return id != g.pool.ID && p.writes[id] != nil // ours alone is known not to be written to
	})
	p.show()
	p.mu.Unlock()
	return p.group(string(g.pool.ID))
}

func set(ids []cloudprovider.InstanceID) map[cloudprovider.InstanceID]bool {
	out := make(map[cloudprovider.InstanceID]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out
}
