package scale

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidemill/tidemill/cloudprovider"
)

// askFirst asks the cloud whether a machine of the pool's shape is to be had
// before any is asked for, where the policy wants that: a growth into a full
// zone costs minutes until it fails, a question costs one request. Only a no for
// every placement counts. The answer is a hint, so that one that does not come,
// for want of the right or of the feature, changes nothing.
func (l *Loop) askFirst(ctx context.Context, g Grow) error {
	if !l.Policy.AskCapacity || g.Cycle {
		return nil
	}
	list, err := l.Fleet.Capacity(ctx, g.ID)
	if err != nil {
		l.Log.Debug("capacity is not told", "pool", g.Pool, "error", err)
		return nil
	}
	var why string
	for _, place := range g.pool.Cloud.Placements {
		i := slices.IndexFunc(list, func(c cloudprovider.Capacity) bool { return c.Zone == place.Zone })
		if i < 0 || slices.ContainsFunc(list, func(c cloudprovider.Capacity) bool { return c.Zone == place.Zone && c.Fault == nil }) {
			return nil
		}
		why = list[i].Fault.Message
	}
	if why == "" {
		return nil
	}
	return fmt.Errorf("%w: the cloud says so beforehand, for every placement: %s", cloudprovider.ErrNoCapacity, why)
}
