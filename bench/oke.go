package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/oke"
	"github.com/tidemill/tidemill/internal/okesim"
)

// driver are the workloads of the OKE driver: the real SDK against the emulator,
// each request 50 ms away.
func driver() []workload {
	return []workload{
		{"oke/refresh-50", "a look at 50 pools with 2,000 nodes, requests 50 ms away", refresh},
		{"oke/writes", "requests that change something, for each node added and replaced", writes},
	}
}

const distance = 50 * time.Millisecond

// region is an emulated cloud at a distance with one cluster and a driver for it.
type region struct {
	sim     *okesim.Sim
	cluster string
	fleet   *cloudprovider.Fleet
	close   func()
}

func openRegion(ctx context.Context) (*region, error) {
	dir, err := os.MkdirTemp("", "tidemill-bench-oke-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	sim := okesim.New(okesim.Options{PageSize: 1000, Latency: okesim.Latency{Accept: -1, Provision: -1, Boot: -1, Terminate: -1}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(distance):
			sim.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	g := &region{sim: sim, cluster: sim.AddCluster(okesim.Cluster{Name: "bench"})}
	g.close = func() {
		server.Close()
		sim.Close()
		_ = os.RemoveAll(dir)
	}
	config, err := sim.NewCredentials(dir, "")
	if err != nil {
		g.close()
		return nil, fmt.Errorf("make credentials: %w", err)
	}
	p, err := oke.New(ctx, oke.Options{ConfigFile: config, Endpoint: server.URL, CompartmentID: sim.Compartment(), ClusterID: g.cluster, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		g.close()
		return nil, err
	}
	g.fleet = cloudprovider.NewFleet(p, cloudprovider.FleetOptions{})
	return g, nil
}

// add makes a pool and waits until all of its nodes are ACTIVE.
func (g *region) add(ctx context.Context, name string, size int) (cloudprovider.PoolID, error) {
	id, err := g.sim.AddPool(okesim.Pool{ClusterID: g.cluster, Name: name, Shape: "VM.Standard.E4.Flex", OCPUs: 2, MemoryGB: 16, Size: size, KubernetesVersion: "v1.34.1",
		Placements: []okesim.Placement{{AD: g.sim.AvailabilityDomains()[0], SubnetID: "ocid1.subnet.oc1.iad.nodes"}}})
	if err != nil {
		return "", fmt.Errorf("add pool: %w", err)
	}
	return cloudprovider.PoolID(id), g.settle(ctx, cloudprovider.PoolID(id))
}

func (g *region) settle(ctx context.Context, id cloudprovider.PoolID) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		v, err := g.sim.Pool(string(id))
		if err != nil || v.State == "ACTIVE" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return fmt.Errorf("pool %s does not come to rest", id)
}

// calls is what do costs, by operation.
func (g *region) calls(do func() error) (map[string]int, error) {
	before := g.sim.Calls()
	err := do()
	cost := map[string]int{}
	for op, n := range g.sim.Calls() {
		cost[op] = n - before[op]
	}
	return cost, err
}

// refresh measures the look that the daemon takes again and again, and the first
// one apart from it, which has images and instances to learn.
func refresh(ctx context.Context, b *bench, name string) error {
	g, err := openRegion(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	for i := range 50 {
		if _, err := g.add(ctx, fmt.Sprintf("pool-%02d", i), 40); err != nil {
			return err
		}
	}
	look := func() error {
		c := g.fleet.Observe(ctx)
		nodes := 0
		for _, list := range c.Instances {
			nodes += len(list)
		}
		if c.Err != nil || len(c.Pools) != 50 || nodes != 2000 {
			return fmt.Errorf("look at %d pools and %d nodes: %v", len(c.Pools), nodes, c.Err)
		}
		return nil
	}
	begin := time.Now()
	first, err := g.calls(look)
	if err != nil {
		return err
	}
	b.figure(name, "first", milliseconds(time.Since(begin)), "ms")
	b.figure(name, "first_gets", fmt.Sprint(first["GetNodePool"]), "count")
	begin = time.Now()
	again, err := g.calls(look)
	if err != nil {
		return err
	}
	b.figure(name, "refresh", milliseconds(time.Since(begin)), "ms")
	b.figure(name, "gets", fmt.Sprint(again["GetNodePool"]), "count")
	total := 0
	for _, n := range again {
		total += n
	}
	b.figure(name, "requests", fmt.Sprint(total), "count")
	return nil
}

// writes counts what changes something: a growth by ten in one step and by one
// ten times, and ten replacements.
func writes(ctx context.Context, b *bench, name string) error {
	g, err := openRegion(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	id, err := g.add(ctx, "workers", 10)
	if err != nil {
		return err
	}
	changes := func(what string, nodes int, do func() error) error {
		cost, err := g.calls(do)
		if err != nil {
			return err
		}
		b.figure(name, what, fmt.Sprintf("%.1f", float64(cost["UpdateNodePool"]+cost["DeleteNode"])/float64(nodes)), "writes")
		return nil
	}
	if err := changes("per_node_added_alone", 10, func() error {
		for size := 10; size < 20; size++ {
			if err := g.fleet.Resize(ctx, id, size, size+1); err != nil {
				return err
			}
		}
		return g.settle(ctx, id)
	}); err != nil {
		return err
	}
	if err := changes("per_node_added_together", 10, func() error { return g.fleet.Resize(ctx, id, 20, 30) }); err != nil {
		return err
	}
	if err := g.settle(ctx, id); err != nil {
		return err
	}
	list := g.fleet.Observe(ctx).Instances[id]
	return changes("per_node_replaced", 10, func() error {
		for _, in := range list[:10] {
			if err := g.fleet.Replace(ctx, id, in.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
