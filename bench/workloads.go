package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/e2e"
)

// workload is one named thing that is measured.
type workload struct {
	name, about string
	run         func(ctx context.Context, b *bench, name string) error
}

// The emulated cloud needs three seconds to make a machine; whatever waits for
// one has them in its figure.
func workloads() []workload {
	return append([]workload{
		{"playground/start", "an OKE cluster from nothing to ready nodes", start},
		{"playground/scale", "pods that need one more node, five times", scale},
		{"playground/cycle", "three nodes under load, turned over with a surge of one", cycle},
		{"playground/daemon", "the daemon beside a cluster at rest", daemon},
	}, slices.Concat(repairs(), driver(), plugins(), turnovers(), removals(), decisions(), joinings(), idles(), larges(), qualities(), examinations(), wholes())...)
}

func names() string {
	var all []string
	for _, w := range workloads() {
		all = append(all, w.name)
	}
	return strings.Join(all, ", ")
}

func choose(match *regexp.Regexp) []workload {
	var chosen []workload
	for _, w := range workloads() {
		if match.MatchString(w.name) {
			chosen = append(chosen, w)
		}
	}
	return chosen
}

// with opens a cluster for one workload.
func (b *bench) with(ctx context.Context, do func(*e2e.Env) error) (err error) {
	binary, err := b.daemon(ctx)
	if err != nil {
		return err
	}
	env, err := e2e.Open(ctx, e2e.Options{Tidemill: binary, Pools: e2e.OnePool(3), Policies: e2e.OnePolicy(3, 8)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	return do(env)
}

// start measures from the call to the last of three nodes being Ready.
func start(ctx context.Context, b *bench, name string) error {
	var took []time.Duration
	for range 3 {
		if err := b.with(ctx, func(e *e2e.Env) error {
			took = append(took, e.Started)
			return nil
		}); err != nil {
			return err
		}
	}
	b.figure(name, "startup", e2e.Seconds(e2e.Median(took)), "s")
	return nil
}

// scale measures from the creation of pods to the larger size in the cloud
// (pending_to_resize) and to the last of them running (pending_to_running).
func scale(ctx context.Context, b *bench, name string) error {
	return b.with(ctx, func(e *e2e.Env) error {
		var resize, running []time.Duration
		for round := range 5 {
			g, err := e.MeasureGrowth(ctx)
			if err != nil {
				return fmt.Errorf("round %d: %w", round+1, err)
			}
			resize, running = append(resize, g.ToResize), append(running, g.ToRunning)
		}
		b.figure(name, "pending_to_resize", e2e.Seconds(e2e.Median(resize)), "s")
		b.figure(name, "pending_to_running", e2e.Seconds(e2e.Median(running)), "s")
		return nil
	})
}

// cycle measures a turn-over by its nodes: time, and requests to the cloud with
// reads.
func cycle(ctx context.Context, b *bench, name string) error {
	return b.with(ctx, func(e *e2e.Env) error {
		c, err := e.MeasureCycle(ctx)
		if err != nil {
			return err
		}
		b.figure(name, "seconds_per_node", e2e.Seconds(c.PerNode), "s")
		b.figure(name, "oci_calls_per_node", fmt.Sprintf("%.1f", c.CallsPerNode), "calls")
		return nil
	})
}

// daemon measures resident memory at the end of half a minute with nothing to do.
func daemon(ctx context.Context, b *bench, name string) error {
	return b.with(ctx, func(e *e2e.Env) error {
		rss, err := e.MeasureMemory(ctx, 30*time.Second)
		if err != nil {
			return err
		}
		b.figure(name, "rss", e2e.Megabytes(rss), "MB")
		return nil
	})
}
