package cloudprovider

import (
	"context"
	"fmt"
	"time"
)

// SubnetReporter is implemented by clouds that can say how many addresses are left
// where a pool's machines and pods get theirs.
type SubnetReporter interface {
	// Subnets tells of each subnet that the pool's new machines use, once. Nil without
	// an error: nothing there can run out. ErrUnauthorized or ErrNotFound without the
	// right to ask, ErrOutOfBounds if there are more addresses than anybody reads.
	Subnets(ctx context.Context, pool PoolID) ([]Subnet, error)
}

// A Subnet is a range of addresses of which each machine of a pool takes some.
type Subnet struct {
	// Name is the one that people gave it, or its ID.
	Name string
	// Zones are those of the pool's placements that use it; nil for one of pods, which
	// serves all.
	Zones []Zone
	// Pods is whether it is for the pods' addresses alone.
	Pods bool
	// Size is how many addresses it has to give in all; 0 where the cloud does not say.
	Size int
	// Free is how many addresses nobody has; PerNode how many a machine takes at most,
	// those of its pods included where they come from here.
	Free, PerNode int
}

// Subnets is [SubnetReporter.Subnets], or ErrNotSupported.
func (f *Fleet) Subnets(ctx context.Context, pool PoolID) (list []Subnet, err error) {
	r, ok := f.provider.(SubnetReporter)
	if !ok {
		return nil, fmt.Errorf("report subnets of pool %s: %w", pool, ErrNotSupported)
	}
	defer f.metrics.observe("Subnets", time.Now(), &err)
	return r.Subnets(ctx, pool)
}
