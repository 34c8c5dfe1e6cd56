package cloudprovider

import (
	"context"
	"fmt"
	"time"
)

// LimitReporter is implemented by clouds that can say beforehand how much of what
// they limit is left.
type LimitReporter interface {
	// Limits tells of everything that the cloud counts of the pool's machines and
	// bounds, in each of the pool's zones where it is counted by zone. Nil without an
	// error: nothing counts them. ErrUnauthorized or ErrNotFound without the right to ask.
	Limits(ctx context.Context, pool PoolID) ([]Limit, error)
}

// A Limit is something of which a tenancy may have so much, and of which each
// machine of a pool takes a part: cores, memory, GPUs, or machines of a kind.
type Limit struct {
	// Name is the cloud's, such as "standard-e4-core-count".
	Name string
	// Zone is where it is counted; "" for the whole region.
	Zone Zone
	// Left is what is free of it, quotas of the administrator's included where the
	// cloud counts them; PerNode is what a machine of the pool takes. Both are in the
	// limit's own unit.
	Left, PerNode float64
}

// Limits is [LimitReporter.Limits], or ErrNotSupported.
func (f *Fleet) Limits(ctx context.Context, pool PoolID) (list []Limit, err error) {
	r, ok := f.provider.(LimitReporter)
	if !ok {
		return nil, fmt.Errorf("report limits of pool %s: %w", pool, ErrNotSupported)
	}
	defer f.metrics.observe("Limits", time.Now(), &err)
	return r.Limits(ctx, pool)
}
