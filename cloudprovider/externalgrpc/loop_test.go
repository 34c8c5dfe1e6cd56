package externalgrpc

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/autoscaler"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

// BenchmarkLoop2000 is a loop at 2,000 nodes in 50 pools over a unix socket.
func BenchmarkLoop2000(b *testing.B) {
	cloud := fake.New(fake.Options{})
	for range 50 {
		cloud.AddPool(fake.Pool{Size: 40, Min: 0, Max: 100})
	}
	p, err := New(Options{Fleet: cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{}), Selection: Selection{Pools: true}, Interval: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	p.look(b.Context())
	var nodes []autoscaler.Node
	for id := range p.view.Load().byInstance {
		nodes = append(nodes, autoscaler.Node{Name: "node-of-" + string(id), ProviderID: string(id)})
	}
	if len(nodes) != 2000 {
		b.Fatalf("%d nodes", len(nodes))
	}
	door := Door{Address: "unix://" + filepath.Join(b.TempDir(), "s")}
	l, err := door.Listen(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, l, door) }()
	c, err := autoscaler.Dial(door.Address)
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Read(b.Context(), nodes); err != nil { // the plugin's own first look falls into this one
		b.Fatal(err)
	}
	c.Calls = 0
	before := len(cloud.Calls())
	for b.Loop() {
		if err := c.Read(b.Context(), nodes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(c.Calls)/float64(b.N), "rpcs/op")
	b.ReportMetric(float64(len(cloud.Calls())-before)/float64(b.N), "cloudcalls/op")
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
