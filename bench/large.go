package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidemill/tidemill/internal/e2e"
)

// larges are the workloads in a playground that is as large as clusters get. The
// Nodes and pods are written straight into the API server, with nobody behind
// them: to the daemon they are as real as any.
//
//	written s                            to write them all
//	rss MiB                              resident memory of the daemon with them
//	pending_to_resize_p50, _p99 ms       from a pod's creation to the larger size
//	                                     in the cloud, the daemon's batch window of
//	                                     0.2 s to 1 s included
func larges() []workload {
	return []workload{
		{"playground/rss-2000", "the daemon beside 2,000 nodes and 60,000 pods", rssOf(2_000, 30)},
		{"playground/resize-1000", "forty pods that each need a node, beside 1,000 nodes and 30,000 pods", resizeAt(1_000, 30)},
	}
}

func (b *bench) large(ctx context.Context, name string, nodes, perNode int, do func(*e2e.Env) error) (err error) {
	binary, err := b.daemon(ctx)
	if err != nil {
		return err
	}
	// Nobody keeps these Nodes alive.
	env, err := e2e.Open(ctx, e2e.Options{Tidemill: binary, Pools: e2e.OnePool(3), Policies: e2e.OnePolicy(3, 200), NodeGrace: time.Hour, Crowded: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	begin := time.Now()
	if err := env.Crowd(ctx, nodes, perNode); err != nil {
		return err
	}
	b.figure(name, "written", e2e.Seconds(time.Since(begin)), "s")
	return do(env)
}

func rssOf(nodes, perNode int) func(context.Context, *bench, string) error {
	return func(ctx context.Context, b *bench, name string) error {
		return b.large(ctx, name, nodes, perNode, func(env *e2e.Env) error {
			rss, err := env.MeasureMemory(ctx, 30*time.Second)
			if err != nil {
				return err
			}
			b.figure(name, "rss", fmt.Sprintf("%.0f", float64(rss)/(1<<20)), "MiB")
			return nil
		})
	}
}

func resizeAt(nodes, perNode int) func(context.Context, *bench, string) error {
	return func(ctx context.Context, b *bench, name string) error {
		return b.large(ctx, name, nodes, perNode, func(env *e2e.Env) error {
			took, err := env.MeasurePending(ctx, "workers", 40)
			if err != nil {
				return err
			}
			slices.Sort(took)
			b.figure(name, "pending_to_resize_p50", fmt.Sprintf("%.0f", inMilliseconds(took[len(took)/2])), "ms")
			b.figure(name, "pending_to_resize_p99", fmt.Sprintf("%.0f", inMilliseconds(took[len(took)*99/100])), "ms")
			return nil
		})
	}
}
