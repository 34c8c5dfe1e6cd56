package oke

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

var _ cloudprovider.Cycler = (*Provider)(nil)

// Cycle implements [cloudprovider.Cycler] with OKE's own node cycling, which
// enhanced clusters have. It costs two requests, and one to read the cluster's
// kind now and then.
//
// The grace goes along as an override of this one request: the pool's own
// eviction settings are the user's.
func (p *Provider) Cycle(ctx context.Context, id cloudprovider.PoolID, how cloudprovider.Cycling) error {
	if err := p.cycle(ctx, id, how); err != nil {
		return fmt.Errorf("cycle node pool %s: %w", id, err)
	}
	return nil
}

func (p *Provider) cycle(ctx context.Context, id cloudprovider.PoolID, how cloudprovider.Cycling) error {
	details, err := cyclingDetails(how)
	if err != nil {
		return err
	}
	release, err := p.hold(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	if c, err := p.controlPlane(ctx); err != nil {
		p.log.DebugContext(ctx, "read the cluster's kind", "err", err) // the service says it with its refusal
	} else if c.basic {
		return fmt.Errorf("%w: the cluster is a basic one, and node cycling needs an enhanced one", cloudprovider.ErrNotSupported)
	}
	var began *string // the etag of the first look
	return p.change(ctx, id, intent{decide: func(l look) (func(context.Context) error, error) {
		if began != nil && str(l.etag) != *began && cyclesLike(l.pool, details) {
			return nil, nil // the answer was lost, the request was not
		}
		if l.pool.LifecycleState == containerengine.NodePoolLifecycleStateUpdating {
			return nil, fmt.Errorf("%w: it is being updated", cloudprovider.ErrConflict)
		}
		if began == nil {
			began = common.String(str(l.etag))
		}
		return p.sendCycle(id, l, details, how), nil
	}})
}

func (p *Provider) sendCycle(id cloudprovider.PoolID, l look, details containerengine.NodePoolCyclingDetails, how cloudprovider.Cycling) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := call(ctx, p, p.writePolicy, "UpdateNodePool", func(ctx context.Context) (containerengine.UpdateNodePoolResponse, error) {
			return p.writes.UpdateNodePool(ctx, containerengine.UpdateNodePoolRequest{
				NodePoolId: common.String(string(id)), IfMatch: l.etag,
				UpdateNodePoolDetails:                     containerengine.UpdateNodePoolDetails{NodePoolCyclingDetails: &details},
				OverrideEvictionGraceDuration:             common.String(iso8601(how.Grace)),
				IsForceDeletionAfterOverrideGraceDuration: common.Bool(how.Force),
			})
		})
		return unsupported(err)
	}
}

// cyclingDetails is a request for a turn-over, or why the service would refuse
// it whatever the pool.
func cyclingDetails(how cloudprovider.Cycling) (containerengine.NodePoolCyclingDetails, error) {
	d := containerengine.NodePoolCyclingDetails{
		IsNodeCyclingEnabled: common.Bool(true), MaximumUnavailable: common.String(strconv.Itoa(how.MaxUnavailable)),
		CycleModes: []containerengine.CycleModeEnum{containerengine.CycleModeInstanceReplace},
	}
	if how.InPlace {
		d.CycleModes = []containerengine.CycleModeEnum{containerengine.CycleModeBootVolumeReplace}
	} else {
		d.MaximumSurge = common.String(strconv.Itoa(how.MaxSurge))
	}
	switch {
	case how.MaxSurge < 0 || how.MaxUnavailable < 0:
		return d, fmt.Errorf("%w: surge %d and unavailable %d must not be negative", cloudprovider.ErrInvalid, how.MaxSurge, how.MaxUnavailable)
	case how.MaxUnavailable == 0 && how.InPlace:
		return d, fmt.Errorf("%w: replacing boot volumes takes nodes away, so that unavailable must be 1 or more", cloudprovider.ErrInvalid)
	case how.MaxUnavailable == 0 && how.MaxSurge == 0:
		return d, fmt.Errorf("%w: surge and unavailable cannot both be 0", cloudprovider.ErrInvalid)
	case how.Grace < 0 || how.Grace > time.Hour:
		return d, fmt.Errorf("%w: OKE waits 0 to 60 minutes for pods to leave, not %v", cloudprovider.ErrInvalid, how.Grace)
	}
	return d, nil
}

// cyclesLike is whether the pool's last cycling was asked for with these
// details.
func cyclesLike(pool containerengine.NodePool, d containerengine.NodePoolCyclingDetails) bool {
	have := pool.NodePoolCyclingDetails
	return have != nil && have.IsNodeCyclingEnabled != nil && *have.IsNodeCyclingEnabled && str(have.MaximumSurge) == str(d.MaximumSurge) &&
		str(have.MaximumUnavailable) == str(d.MaximumUnavailable) && len(have.CycleModes) == len(d.CycleModes) && have.CycleModes[0] == d.CycleModes[0]
}

// iso8601 is a duration up to an hour as OKE wants it, in whole minutes: "PT30M".
// Pods get no less than was promised to them.
func iso8601(d time.Duration) string {
	return fmt.Sprintf("PT%dM", (d+time.Minute-1)/time.Minute)
}
