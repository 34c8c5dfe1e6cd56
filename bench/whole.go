package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/e2e"
)

// wholes are turn-overs of a whole pool against the real control plane, with the
// daemon as a process. Its loops are hurried: it looks once a second, not every ten.
//
//	seconds             from the request to the clean end
//	daemon_cpu_cores    the daemon's processor time by that; 0.3 is the goal
//	evictions count     asked of the API server, refused ones included
//	pod_gets count      single pods read; a drain that polls reads each again and again
func wholes() []workload {
	return []workload{{"playground/cycle-6", "six nodes with six pods each, turned over with a surge of two", whole}}
}

func whole(ctx context.Context, b *bench, name string) (err error) {
	binary, err := b.daemon(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tidemill-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	env, err := e2e.Open(ctx, e2e.Options{Tidemill: binary, Dir: dir, Audit: true, Crowded: true, Pools: e2e.OnePool(6), Policies: map[string]v1alpha1.PoolSpec{"workers": e2e.Policy(6, 8, 2)}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	c, err := env.MeasureTurn(ctx)
	if err != nil {
		return err
	}
	b.figure(name, "seconds", e2e.Seconds(c.Took), "s")
	b.figure(name, "daemon_cpu_cores", fmt.Sprintf("%.3f", c.Cores), "cores")
	b.figure(name, "evictions", fmt.Sprint(c.Evictions), "count")
	b.figure(name, "pod_gets", fmt.Sprint(c.PodReads), "count")
	return nil
}
