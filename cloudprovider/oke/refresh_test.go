package oke

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// Whatever is refused, cut off or throttled: a look never shows fewer pools or
// nodes than there are, says which of it is old and from when, and is complete
// again as soon as the service is.
func TestRefreshUnderFaults(t *testing.T) {
	w := newWorld(t, okesim.Options{PageSize: 2})
	const pools = 3
	sizes := map[cloudprovider.PoolID]int{}
	for i := range pools {
		sizes[w.addPool(okesim.Pool{Name: fmt.Sprintf("p%d", i), Size: i})] = i
	}
	w.computeAge = time.Millisecond
	f := cloudprovider.NewFleet(w.Provider, cloudprovider.FleetOptions{})
	complete := func(c cloudprovider.Cloud) error {
		if len(c.Pools) != pools {
			return fmt.Errorf("%d pools", len(c.Pools))
		}
		for _, p := range c.Pools {
			if n := len(c.Instances[p.ID]); n != sizes[p.ID] || p.Size != sizes[p.ID] {
				return fmt.Errorf("pool %s of size %d has %d instances, want %d", p.Name, p.Size, n, sizes[p.ID])
			}
			for _, in := range c.Instances[p.ID] {
				if in.State != cloudprovider.Running {
					return fmt.Errorf("instance %+v", in)
				}
			}
		}
		return nil
	}
	if c := f.Observe(t.Context()); c.Err != nil || complete(c) != nil {
		t.Fatalf("at first: %v, %v", c.Err, complete(c))
	}
	rapid.Check(t, func(r *rapid.T) {
		before := time.Now()
		for range rapid.IntRange(0, 3).Draw(r, "faults") {
			op := rapid.SampledFrom([]string{"ListNodePools", "GetNodePool", "ListInstances", "GetInstance", "ListVirtualNodePools", "*"}).Draw(r, "op")
			fault := okesim.HTTPFault{Status: rapid.SampledFrom([]int{0, 401, 404, 429, 500, 503}).Draw(r, "status")}
			fault.Drop = fault.Status == 0
			w.sim.FailNext(op, rapid.IntRange(1, 5).Draw(r, "times"), fault)
		}
		c := f.Observe(t.Context())
		if err := complete(c); err != nil {
			r.Fatalf("under faults: %v (look %v)", err, c.Err)
		}
		for _, p := range c.Pools {
			if (c.Err == nil) == c.Observed.Before(before) {
				r.Errorf("look of %v, error %v", c.Observed, c.Err)
			}
			if old := p.Health.Observed.Before(before); c.Err == nil && old && p.Health.Err == nil {
				r.Errorf("pool %s is old and does not say so: %+v", p.Name, p.Health)
			}
		}
		// The service is well again: whatever is still armed is used up.
		for range 40 {
			if c = f.Observe(t.Context()); c.Err == nil && complete(c) == nil && healthy(c) {
				return
			}
		}
		r.Fatalf("not complete again: %v", c.Err)
	})
}

func healthy(c cloudprovider.Cloud) bool {
	for _, p := range c.Pools {
		if p.Health.Err != nil {
			return false
		}
	}
	return true
}
