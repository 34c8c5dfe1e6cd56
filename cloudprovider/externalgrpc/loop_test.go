package externalgrpc

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

// caller is a client that makes the calls of one loop of cluster-autoscaler, in
// its order and one after the other.
type caller struct {
	client wire.CloudProviderClient
	calls  int
}

// loop reads what a loop reads: each node's group once and its options twice,
// each group's size twice, its instances and its template once.
func (c *caller) loop(ctx context.Context, nodes []*wire.ExternalGrpcNode) error {
	defaults := &wire.NodeGroupAutoscalingOptions{ScaleDownUnneeded: durationpb.New(time.Minute), ScaleDownUnready: durationpb.New(time.Minute), MaxNodeProvision: durationpb.New(time.Minute)}
	if _, err := c.client.Refresh(ctx, &wire.RefreshRequest{}); err != nil {
		return err
	}
	groups, err := c.client.NodeGroups(ctx, &wire.NodeGroupsRequest{})
	if err != nil {
		return err
	}
	c.calls += 2
	for _, n := range nodes {
		r, err := c.client.NodeGroupForNode(ctx, &wire.NodeGroupForNodeRequest{Node: n})
		if err != nil || r.NodeGroup.Id == "" {
			return fmt.Errorf("group of %s: %v, %w", n.ProviderId, r, err)
		}
		for range 2 {
			_, err := c.client.NodeGroupGetOptions(ctx, &wire.NodeGroupAutoscalingOptionsRequest{Id: r.NodeGroup.Id, Defaults: defaults})
			if status.Code(err) != codes.Unimplemented {
				return fmt.Errorf("options of %s: %w", r.NodeGroup.Id, err)
			}
		}
		c.calls += 3
	}
	for _, g := range groups.NodeGroups {
		_, err1 := c.client.NodeGroupTargetSize(ctx, &wire.NodeGroupTargetSizeRequest{Id: g.Id})
		_, err2 := c.client.NodeGroupTargetSize(ctx, &wire.NodeGroupTargetSizeRequest{Id: g.Id})
		_, err3 := c.client.NodeGroupNodes(ctx, &wire.NodeGroupNodesRequest{Id: g.Id})
		_, err4 := c.client.NodeGroupTemplateNodeInfo(ctx, &wire.NodeGroupTemplateNodeInfoRequest{Id: g.Id})
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return err
		}
		c.calls += 4
	}
	return nil
}

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
	var nodes []*wire.ExternalGrpcNode
	for id := range p.view.Load().byInstance {
		nodes = append(nodes, real(string(id)))
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
	conn, err := grpc.NewClient(door.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	c := &caller{client: wire.NewCloudProviderClient(conn)}
	if err := c.loop(b.Context(), nodes); err != nil { // the plugin's own first look falls into this one
		b.Fatal(err)
	}
	c.calls = 0
	before := len(cloud.Calls())
	for b.Loop() {
		if err := c.loop(b.Context(), nodes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(c.calls)/float64(b.N), "rpcs/op")
	b.ReportMetric(float64(len(cloud.Calls())-before)/float64(b.N), "cloudcalls/op")
	conn.Close()
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
