package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/tidemill/tidemill/internal/e2e"
)

// larges are the workloads in a playground that is as large as clusters get. The
// pool's machines, their Nodes and their pods are all there, down to the images
// on a Node, and kubelets' heartbeats go on; the kubelets are not. The daemon's
// flags are the usual ones.
//
//	written s                            to write them all
//	rss MiB, rss_peak MiB                resident memory of the daemon at the end,
//	                                     and the most it ever was
//	cpu cores                            used over a minute in which nothing
//	                                     happens but heartbeats
//	pending_to_resize_p50, _p99 ms       from before a pod is created to the larger
//	                                     size in the cloud, the daemon's batch
//	                                     window of 0.2 s to 1 s included
//
// With TIDEMILL_BENCH_DEBUG=host:port the daemon serves profiles of itself there.
func larges() []workload {
	return []workload{
		{"playground/rss-2000", "the daemon beside 2,000 nodes and 60,000 pods", rssOf(2_000, 30)},
		{"playground/resize-1000", "forty pods that each need a node, beside 1,000 nodes and 30,000 pods", resizeAt(1_000, 30)},
	}
}

// kubelets are the nodes that have one.
const kubelets = 3

func (b *bench) large(ctx context.Context, name string, nodes, perNode int, do func(*e2e.Env) error) (err error) {
	binary, err := b.daemon(ctx)
	if err != nil {
		return err
	}
	// So much goes on here that a Node may be silent for long.
	pools := e2e.CrowdedPools(kubelets, nodes)
	env, err := e2e.Open(ctx, e2e.Options{
		Tidemill: binary, Pools: pools, Policies: e2e.CrowdedPolicies(pools), NodeGrace: time.Hour, Crowded: true, Usual: true,
		DebugAddress: os.Getenv("TIDEMILL_BENCH_DEBUG"), Say: func(now string) { fmt.Fprintf(b.stderr, "bench: %s: %s\n", name, now) },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	begin := time.Now()
	if err := env.Crowd(ctx, nodes-kubelets, perNode); err != nil {
		return err
	}
	b.figure(name, "written", e2e.Seconds(time.Since(begin)), "s")
	return do(env)
}

func rssOf(nodes, perNode int) func(context.Context, *bench, string) error {
	return func(ctx context.Context, b *bench, name string) error {
		return b.large(ctx, name, nodes, perNode, func(env *e2e.Env) error {
			r, err := env.MeasureRest(ctx, kubelets, time.Minute, time.Minute)
			if err != nil {
				return err
			}
			b.figure(name, "rss", fmt.Sprintf("%.0f", float64(r.RSS)/(1<<20)), "MiB")
			b.figure(name, "rss_peak", fmt.Sprintf("%.0f", float64(r.Peak)/(1<<20)), "MiB")
			b.figure(name, "cpu", fmt.Sprintf("%.3f", r.Cores), "cores")
			return nil
		})
	}
}

func resizeAt(nodes, perNode int) func(context.Context, *bench, string) error {
	return func(ctx context.Context, b *bench, name string) error {
		return b.large(ctx, name, nodes, perNode, func(env *e2e.Env) error {
			if _, err := env.MeasureMemory(ctx, 30*time.Second); err != nil {
				return err
			}
			took, err := env.MeasurePending(ctx, kubelets, 40)
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
