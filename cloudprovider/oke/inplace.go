package oke

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

var (
	_ cloudprovider.Rebooter           = (*Provider)(nil)
	_ cloudprovider.BootVolumeReplacer = (*Provider)(nil)
)

// Reboot implements [cloudprovider.Rebooter]. It costs two requests for each
// instance: the look and the write.
func (p *Provider) Reboot(ctx context.Context, id cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	return p.inPlace(ctx, "reboot", id, ids, func(ctx context.Context, in, token *string) error {
		_, err := call(ctx, p, p.writePolicy, "RebootClusterNode", func(ctx context.Context) (containerengine.RebootClusterNodeResponse, error) {
			return p.writes.RebootClusterNode(ctx, containerengine.RebootClusterNodeRequest{
				ClusterId: &p.cluster, NodeId: in, OpcRetryToken: token,
				RebootClusterNodeDetails: containerengine.RebootClusterNodeDetails{NodeEvictionSettings: drained()},
			})
		})
		return err
	})
}

// ReplaceBootVolume implements [cloudprovider.BootVolumeReplacer], at the same
// cost as Reboot.
//
// Oracle's pages disagree on what the new volume holds: one says the pool's
// present properties, another those that the node had. Where it is the latter the
// node comes back with the release it left with, and the caller, who looks, sees
// that.
func (p *Provider) ReplaceBootVolume(ctx context.Context, id cloudprovider.PoolID, ids ...cloudprovider.InstanceID) error {
	return p.inPlace(ctx, "replace boot volume of", id, ids, func(ctx context.Context, in, token *string) error {
		_, err := call(ctx, p, p.writePolicy, "ReplaceBootVolumeClusterNode", func(ctx context.Context) (containerengine.ReplaceBootVolumeClusterNodeResponse, error) {
			return p.writes.ReplaceBootVolumeClusterNode(ctx, containerengine.ReplaceBootVolumeClusterNodeRequest{
				ClusterId: &p.cluster, NodeId: in, OpcRetryToken: token,
				ReplaceBootVolumeClusterNodeDetails: containerengine.ReplaceBootVolumeClusterNodeDetails{NodeEvictionSettings: drained()},
			})
		})
		return err
	})
}

// drained tells the service not to drain: whoever calls has, by the Eviction API
// and under budgets that the service's own drain does not know.
func drained() *containerengine.NodeEvictionSettings {
	return &containerengine.NodeEvictionSettings{EvictionGraceDuration: common.String("PT0M"), IsForceActionAfterGraceDuration: common.Bool(true)}
}

// inPlace takes down one machine after the other and leaves it to the service to
// bring them back.
func (p *Provider) inPlace(ctx context.Context, what string, id cloudprovider.PoolID, ids []cloudprovider.InstanceID,
	send func(ctx context.Context, in, token *string) error,
) error {
	for _, in := range ids {
		if in.Placeholder() {
			return fmt.Errorf("%s %s of node pool %s: %w: there is no machine", what, in, id, cloudprovider.ErrInvalid)
		}
	}
	release, err := p.hold(ctx, id)
	if err != nil {
		return fmt.Errorf("%s instances of node pool %s: %w", what, id, err)
	}
	defer release()
	for i, in := range ids {
		if err := p.change(ctx, id, p.restart(in, send)); err != nil {
			return fmt.Errorf("%s %s of node pool %s, %d of %d: %w", what, in, id, i+1, len(ids), err)
		}
	}
	return nil
}

// restart is one machine's action. These take no etag and a retry token instead:
// it is the same in every round, so that a request whose answer was lost is done
// once however often it is sent.
func (p *Provider) restart(in cloudprovider.InstanceID, send func(ctx context.Context, in, token *string) error) intent {
	node, token := string(in), retryToken()
	return intent{
		decide: func(l look) (func(context.Context) error, error) {
			switch stateOf(l.pool.Nodes, node) {
			case "", containerengine.NodeLifecycleStateDeleting, containerengine.NodeLifecycleStateDeleted:
				return nil, fmt.Errorf("%w: the node pool does not list it, or deletes it", cloudprovider.ErrNotFound)
			case containerengine.NodeLifecycleStateUpdating:
				return nil, nil // on its way already
			}
			inv := p.inventory(str(l.pool.CompartmentId))
			if inv.ended(node) {
				// The service would answer 409, as it does to a busy pool, for ever.
				return nil, fmt.Errorf("%w: Compute says that the instance does not exist any more", cloudprovider.ErrNotFound)
			}
			return func(ctx context.Context) error {
				inv.expect(node)
				return unsupported(ours(send(ctx, &node, &token)))
			}, nil
		},
		// A node that somebody else has just taken down answers 409 too.
		moot: func(err error) bool { return status(err) == http.StatusConflict },
	}
}

// ours takes the refusal of a used token for what it says: nobody else has the token, so
// this very order was carried out before, and the answer to it was lost. As a conflict it
// would be given anew with another token, and the machine would go down twice.
func ours(err error) error {
	var e *apiError
	if errors.As(err, &e) && e.status == http.StatusConflict && e.code == "InvalidatedRetryToken" {
		return nil
	}
	return err
}

// stateOf is a machine's state, "" if it is not listed.
func stateOf(nodes []containerengine.Node, id string) containerengine.NodeLifecycleStateEnum {
	for _, n := range nodes {
		if str(n.Id) == id {
			return n.LifecycleState
		}
	}
	return ""
}

// unsupported makes the service's "never, here" an ErrNotSupported with its
// words: the parameters are this driver's and are right, so that what is refused
// is the kind of cluster, pool or change.
func unsupported(err error) error {
	var e *apiError
	if errors.As(err, &e) && errors.Is(e.sentinel, cloudprovider.ErrInvalid) {
		e.sentinel = cloudprovider.ErrNotSupported
	}
	return err
}

// retryToken is unlike any other's of the last day. The service answers a token that
// it knows with what it did then, or with 409: so it does not come from Options.Random,
// which spreads retries and which a caller may hold still.
func retryToken() string { return "tidemill-" + rand.Text() }
