package externalgrpc

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

// served is a plugin over a cloud in memory, and a client of it.
type served struct {
	*testing.T
	cloud  *fake.Cloud
	plugin *Plugin
	conn   *grpc.ClientConn
	client wire.CloudProviderClient
}

// serve starts a plugin and waits for its first look.
func serve(t *testing.T, cloud *fake.Cloud, o Options) *served {
	t.Helper()
	s := serveBlind(t, cloud, o)
	s.look()
	return s
}

// serveBlind starts a plugin that has not looked yet and looks when told to.
func serveBlind(t *testing.T, cloud *fake.Cloud, o Options) *served {
	t.Helper()
	s := serveFleet(t, cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{}), o)
	s.cloud = cloud
	return s
}

// serveFleet is serveBlind over any cloud.
func serveFleet(t *testing.T, fleet *cloudprovider.Fleet, o Options) *served {
	t.Helper()
	o.Fleet = fleet
	if o.Registerer == nil {
		o.Registerer = prometheus.NewPedanticRegistry()
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l := bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.UnaryInterceptor(p.watch))
	wire.RegisterCloudProviderServer(server, p)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &served{T: t, plugin: p, conn: conn, client: wire.NewCloudProviderClient(conn)}
}

// look is one turn of the plugin's own clock.
func (s *served) look() {
	select {
	case <-s.plugin.kick:
	default:
	}
	s.plugin.look(context.Background())
}

// bytesCodec passes bytes through: a client that writes each field by hand, as
// no generated code of ours would.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (bytesCodec) Name() string                       { return "proto" }

// raw makes a call whose request and answer are bytes.
func (s *served) raw(method string, request []byte) ([]byte, error) {
	var answer []byte
	err := s.conn.Invoke(context.Background(), "/clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/"+method,
		&request, &answer, grpc.ForceCodec(bytesCodec{}))
	return answer, err
}

// field is one field of a message, as it lies on the wire.
func field(n protowire.Number, v any) []byte {
	switch v := v.(type) {
	case string:
		return protowire.AppendString(protowire.AppendTag(nil, n, protowire.BytesType), v)
	case []byte:
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), v)
	case int:
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), uint64(v))
	case uint64:
		return protowire.AppendFixed64(protowire.AppendTag(nil, n, protowire.Fixed64Type), v)
	}
	panic(fmt.Sprintf("no wire form for %T", v))
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// fields takes a message apart: the raw values by number, in order.
func fields(t testing.TB, data []byte) map[protowire.Number][][]byte {
	t.Helper()
	out := map[protowire.Number][][]byte{}
	for len(data) > 0 {
		n, typ, size := protowire.ConsumeTag(data)
		if size < 0 {
			t.Fatalf("bad tag in %x", data)
		}
		data = data[size:]
		size = protowire.ConsumeFieldValue(n, typ, data)
		if size < 0 {
			t.Fatalf("bad value in %x", data)
		}
		value := data[:size]
		if typ == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		out[n] = append(out[n], value)
		data = data[size:]
	}
	return out
}

func wantCode(t testing.TB, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Fatalf("code %s, want %s: %v", got, want, err)
	}
}

func (s *served) size(id cloudprovider.PoolID) int {
	s.Helper()
	r, err := s.client.NodeGroupTargetSize(s.Context(), &wire.NodeGroupTargetSizeRequest{Id: string(id)})
	if err != nil {
		s.Fatal(err)
	}
	return int(r.TargetSize)
}

func (s *served) instances(id cloudprovider.PoolID) []*wire.Instance {
	s.Helper()
	r, err := s.client.NodeGroupNodes(s.Context(), &wire.NodeGroupNodesRequest{Id: string(id)})
	if err != nil {
		s.Fatal(err)
	}
	return r.Instances
}

func (s *served) delete(id cloudprovider.PoolID, nodes ...*wire.ExternalGrpcNode) error {
	_, err := s.client.NodeGroupDeleteNodes(s.Context(), &wire.NodeGroupDeleteNodesRequest{Id: string(id), Nodes: nodes})
	return err
}

// real is a registered node, failed one that the client made up for an entry
// that has an error.
func real(id string) *wire.ExternalGrpcNode {
	return &wire.ExternalGrpcNode{Name: "node-of-" + id, ProviderId: id}
}

func failed(id string) *wire.ExternalGrpcNode {
	return &wire.ExternalGrpcNode{Name: id, ProviderId: id, Annotations: map[string]string{fakeNodeReason: "create-error"}}
}

func (s *served) writes() int {
	n := 0
	for _, c := range s.cloud.Calls() {
		if c.Op == "Resize" || c.Op == "Delete" {
			n++
		}
	}
	return n
}

// one serves a cloud with one pool of this size between min and max.
func one(t *testing.T, size, least, most int) (*served, cloudprovider.PoolID) {
	t.Helper()
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: size})
	return serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {least, most}}}}), id
}
