package fake

import (
	"context"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Capacity implements [cloudprovider.CapacityReporter]: what [Cloud.SetCapacity]
// has left in each zone of the pool.
func (c *Cloud) Capacity(ctx context.Context, id cloudprovider.PoolID) (list []cloudprovider.Capacity, err error) {
	err = c.serve(ctx, Call{Op: "Capacity", Pool: id}, func(p *pool) error {
		for _, zone := range p.Zones {
			report := cloudprovider.Capacity{Zone: zone}
			if n, limited := c.capacity[zone]; limited {
				report.Available = &n
				if n == 0 {
					report.Fault = &cloudprovider.Fault{Class: cloudprovider.FaultCapacity, Code: "OUT_OF_HOST_CAPACITY", Message: "Out of host capacity."}
				}
			}
			list = append(list, report)
		}
		return nil
	})
	return list, err
}
