package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// karpenterWork is what bench/peers/karpenter reads.
type karpenterWork struct {
	Pods     []*corev1.Pod      `json:"pods"`
	Machines []karpenterMachine `json:"machines"`
	Zones    []string           `json:"zones"`
}

type karpenterMachine struct {
	Name   string  `json:"name"`
	CPU    string  `json:"cpu"`
	Memory string  `json:"memory"`
	Price  float64 `json:"price"`
}

// karpenterOf is the world's waiting pods, and its pools' nodes as machine types.
func karpenterOf(w *worldtest.World) karpenterWork {
	s := w.Snapshot()
	out := karpenterWork{Pods: s.Pending}
	zones := map[string]bool{}
	for _, p := range s.Pools {
		for i, pl := range p.Cloud.Placements {
			have := pl.Template.Status.Allocatable
			if i == 0 {
				out.Machines = append(out.Machines, karpenterMachine{p.Name, have.Cpu().String(), have.Memory().String(), pl.Price})
			}
			if zone := string(pl.Zone); !zones[zone] {
				zones[zone] = true
				out.Zones = append(out.Zones, zone)
			}
		}
	}
	return out
}

// What the two plans of up/mixed-5k differ in, at equal prices: ours has five times
// as many nodes and costs a quarter less. Karpenter opens a node for the first pod
// and keeps every machine type open that could still hold what is added, so that
// nodes end as the largest there are, and buys the cheapest of those left: nodes
// of 32 cores whose memory, dear by list price, stays empty. The default here
// asks which machines are the cheapest for all pods at once, and buys small ones
// where they cost the same for a core and leave less over.
//
// peerKarpenter has Karpenter's scheduler decide on the pods of a workload, and
// prints its figures under that name. Its module is built first; where it cannot be, that is said and
// no figure is printed.
func peerKarpenter(of string, world func() *worldtest.World) func(context.Context, *bench, string) error {
	return func(ctx context.Context, b *bench, name string) error {
		binary, err := b.karpenter(ctx)
		if err != nil {
			fmt.Fprintf(b.stderr, "bench: %s: not measured: %v\n", name, err)
			return nil
		}
		w := world()
		input, err := json.Marshal(karpenterOf(w))
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, binary)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(input), b.stderr
		output, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("run Karpenter's scheduler: %w", err)
		}
		var a struct {
			Decide, Cost       float64
			Nodes, Unscheduled int
			Kinds              map[string]int
		}
		if err := json.Unmarshal(output, &a); err != nil {
			return fmt.Errorf("read Karpenter's answer: %w", err)
		}
		fmt.Fprintf(b.stderr, "bench: %s: Karpenter buys %v\n", name, a.Kinds)
		b.figure(of, "peer_decide", fmt.Sprintf("%.1f", a.Decide), "ms")
		b.figure(of, "peer_nodes", fmt.Sprint(a.Nodes), "count")
		b.figure(of, "peer_cost", fmt.Sprintf("%.3f", a.Cost), "$/h")
		if low, err := lowerBound(w.Snapshot()); err == nil {
			b.figure(of, "peer_cost_over_bound", fmt.Sprintf("%.1f", 100*(a.Cost/low-1)), "percent")
		}
		b.figure(of, "peer_unscheduled", fmt.Sprint(a.Unscheduled), "count")
		return nil
	}
}

// karpenter builds the peer, once. TIDEMILL_BENCH_KARPENTER names a binary that
// was built before.
func (b *bench) karpenter(ctx context.Context) (string, error) {
	if path := os.Getenv("TIDEMILL_BENCH_KARPENTER"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "tidemill-bench-karpenter-")
	if err != nil {
		return "", err
	}
	b.peers = append(b.peers, dir)
	fmt.Fprintln(b.stderr, "bench: building Karpenter's scheduler; the first time takes minutes")
	path := filepath.Join(dir, "karpenter")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	build.Dir, build.Stdout, build.Stderr = filepath.Join("bench", "peers", "karpenter"), b.stderr, b.stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build bench/peers/karpenter: %w", err)
	}
	return path, nil
}
