package expander

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/cloudprovider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func room(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func podOf(t testing.TB, cpu, memory string) []byte {
	t.Helper()
	p := &corev1.Pod{}
	p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: room(cpu, memory)}}}
	data, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func nodeOf(t testing.TB, cpu, memory string) []byte {
	t.Helper()
	n := &corev1.Node{Status: corev1.NodeStatus{Allocatable: room(cpu, memory)}}
	data, err := n.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func expander(t testing.TB, text string) *Expander {
	t.Helper()
	e, err := New(Options{Chain: chain(t, text), Registerer: prometheus.NewPedanticRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func best(t testing.TB, e *Expander, r *wire.BestOptionsRequest) (ids []string) {
	t.Helper()
	answer, err := e.BestOptions(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range answer.Options {
		ids = append(ids, o.NodeGroupId)
	}
	return ids
}

// Old clients put Kubernetes' messages where new ones put bytes, under other
// numbers: the same choice is made for both.
func TestEachGenerationOfClients(t *testing.T) {
	e := expander(t, "least-waste")
	pods := [][]byte{podOf(t, "2", "8Gi"), podOf(t, "2", "8Gi")}
	nodes := map[string][]byte{"large": nodeOf(t, "16", "64Gi"), "fits": nodeOf(t, "4", "16Gi")}
	for name, r := range map[string]*wire.BestOptionsRequest{
		"up to 1.34": {LegacyNodes: nodes, Options: []*wire.Option{{NodeGroupId: "large", NodeCount: 1, LegacyPods: pods}, {NodeGroupId: "fits", NodeCount: 1, LegacyPods: pods}}},
		"from 1.35":  {Nodes: nodes, Options: []*wire.Option{{NodeGroupId: "large", NodeCount: 1, Pods: pods}, {NodeGroupId: "fits", NodeCount: 1, Pods: pods}}},
	} {
		if got := best(t, e, r); !cmp.Equal(got, []string{"fits"}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := testutil.ToFloat64(e.metrics.by.WithLabelValues("least-waste")); got != 2 {
		t.Errorf("%v choices by least-waste", got)
	}
}

// The numbers of the fields, as they lie on the wire.
func TestFieldNumbers(t *testing.T) {
	field := func(n protowire.Number, parts ...[]byte) []byte {
		var all []byte
		for _, p := range parts {
			all = append(all, p...)
		}
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), all)
	}
	text := func(n protowire.Number, s string) []byte { return field(n, []byte(s)) }
	count := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 3)
	raw := append(field(1, text(1, "group"), count, text(3, "debug"), text(4, "old"), text(5, "new")), append(field(2, text(1, "group"), text(2, "n2")), field(3, text(1, "group"), text(2, "n3"))...)...)
	var got wire.BestOptionsRequest
	if err := proto.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := &wire.BestOptionsRequest{LegacyNodes: map[string][]byte{"group": []byte("n2")}, Nodes: map[string][]byte{"group": []byte("n3")},
		Options: []*wire.Option{{NodeGroupId: "group", NodeCount: 3, Debug: "debug", LegacyPods: [][]byte{[]byte("old")}, Pods: [][]byte{[]byte("new")}}}}
	if !proto.Equal(want, &got) || len(got.ProtoReflect().GetUnknown()) != 0 {
		t.Errorf("read %v", &got)
	}
	if got := wire.Expander_BestOptions_FullMethodName; got != "/grpcplugin.Expander/BestOptions" {
		t.Errorf("the method is %s", got)
	}
}

// The looks know what the client does not: the price, and that the same shape
// was refused in the same place to another pool a short while ago.
func TestWhatTheLooksKnow(t *testing.T) {
	cloud := fake.New(fake.Options{})
	pool := func(name, shape string, price float64, zones ...cloudprovider.Zone) string {
		return string(cloud.AddPool(fake.Pool{Name: name, Shape: shape, Price: price, Zones: zones, Size: 1}))
	}
	first, second := pool("first", "E4", 0.1, "A"), pool("second", "E4", 0.2, "A")
	elsewhere, dear := pool("elsewhere", "E4", 0.3, "B"), pool("dear", "E5", 0.9, "A")
	e := expander(t, Usual)
	look := func() {
		e.Look(t.Context(), cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{}).Observe(t.Context()))
	}
	ask := func(ids ...string) string {
		r := &wire.BestOptionsRequest{Nodes: map[string][]byte{}}
		for _, id := range ids {
			r.Options = append(r.Options, &wire.Option{NodeGroupId: id, NodeCount: 1, Pods: [][]byte{podOf(t, "1", "2Gi")}})
			r.Nodes[id] = nodeOf(t, "4", "16Gi")
		}
		return strings.Join(best(t, e, r), " ")
	}
	if got := ask(first, second, elsewhere, dear); got != strings.Join([]string{first, second, elsewhere, dear}, " ") {
		t.Errorf("before the first look %s", got)
	}
	look()
	if got := ask(first, second, elsewhere, dear); got != first {
		t.Errorf("the cheapest is %s, not %s", first, got)
	}
	cloud.SetCapacity("A", 0)
	cloud.SetSize(cloudprovider.PoolID(first), 2)
	look()
	if got := ask(second, elsewhere); got != elsewhere {
		t.Errorf("%s was chosen where its shape has just been refused", got)
	}
	if got := ask(second, dear); got != dear {
		t.Errorf("%s was chosen where its shape has just been refused", got)
	}
	if got := ask(first, second); got != first {
		t.Errorf("with nowhere else to go %s", got)
	}
	if n := testutil.ToFloat64(e.metrics.refusals); n != 1 {
		t.Errorf("%v refused places", n)
	}
}

// A refusal is forgotten after a while, and as soon as a younger machine runs
// there.
func TestRefusalsAreForgotten(t *testing.T) {
	now := time.Now()
	pool := cloudprovider.NodePool{ID: "p", Shape: "E4", Placements: []cloudprovider.Placement{{Zone: "A"}, {Zone: "B"}}}
	entry := func(zone cloudprovider.Zone, class cloudprovider.FaultClass) cloudprovider.Cloud {
		return cloudprovider.Cloud{Pools: []cloudprovider.NodePool{pool}, Instances: map[cloudprovider.PoolID][]cloudprovider.Instance{"p": {{
			ID: cloudprovider.Placeholder("p", 1), State: cloudprovider.Failed, Zone: zone, Fault: &cloudprovider.Fault{Class: class}}}}}
	}
	var none *Knowledge
	known := none.Look(entry("A", cloudprovider.FaultCapacity), Priorities{}, now)
	if got := known.refused(pool); got != 0.5 {
		t.Errorf("one of two places refused: %v", got)
	}
	if got := none.Look(entry("", cloudprovider.FaultQuota), Priorities{}, now).refused(pool); got != 1 {
		t.Errorf("a refusal without a place: %v", got)
	}
	if got := none.Look(entry("A", cloudprovider.FaultImage), Priorities{}, now).refused(pool); got != 0 {
		t.Errorf("a bad image: %v", got)
	}
	empty := cloudprovider.Cloud{Pools: []cloudprovider.NodePool{pool}}
	if got := known.Look(empty, Priorities{}, now.Add(backOff-time.Second)).refused(pool); got != 0.5 {
		t.Errorf("shortly before the end: %v", got)
	}
	if got := known.Look(empty, Priorities{}, now.Add(backOff)).refused(pool); got != 0 {
		t.Errorf("after the end: %v", got)
	}
	younger := empty
	younger.Instances = map[cloudprovider.PoolID][]cloudprovider.Instance{"p": {{ID: "i", State: cloudprovider.Creating, Zone: "A", Created: now.Add(time.Second)}}}
	if got := known.Look(younger, Priorities{}, now.Add(time.Minute)).refused(pool); got != 0 {
		t.Errorf("with a younger machine there: %v", got)
	}
}

// Priorities that cannot be read leave the last ones in force.
func TestPrioritiesAreReadAtEachLook(t *testing.T) {
	text := "9: [b]"
	e, err := New(Options{Chain: chain(t, "priority"), Priorities: func(context.Context) (Priorities, error) { return ParsePriorities(text) }})
	if err != nil {
		t.Fatal(err)
	}
	r := &wire.BestOptionsRequest{Options: []*wire.Option{{NodeGroupId: "a", NodeCount: 1}, {NodeGroupId: "b", NodeCount: 1}}}
	for _, c := range []struct{ text, want string }{{"9: [b]", "b"}, {"nonsense", "b"}, {"9: [a]", "a"}} {
		text = c.text
		e.Look(t.Context(), cloudprovider.Cloud{})
		if got := best(t, e, r); !cmp.Equal(got, []string{c.want}) {
			t.Errorf("%s: %v, want %s", c.text, got, c.want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	e := expander(t, Usual)
	for name, r := range map[string]*wire.BestOptionsRequest{
		"no group":   {Options: []*wire.Option{{NodeCount: 1}}},
		"no nodes":   {Options: []*wire.Option{{NodeGroupId: "a"}}},
		"fewer":      {Options: []*wire.Option{{NodeGroupId: "a", NodeCount: -1}}},
		"not a pod":  {Options: []*wire.Option{{NodeGroupId: "a", NodeCount: 1, Pods: [][]byte{{0xff}}}}},
		"not a node": {Options: []*wire.Option{{NodeGroupId: "a", NodeCount: 1}}, Nodes: map[string][]byte{"a": {0xff}}},
	} {
		if _, err := e.BestOptions(t.Context(), r); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := best(t, e, &wire.BestOptionsRequest{}); got != nil {
		t.Errorf("from nothing %v was chosen", got)
	}
}

// Served as the client comes: over TLS, without a certificate of its own, with
// more pods than gRPC usually takes.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	roots := issue(t, cert, key)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := expander(t, Usual)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Serve(ctx, l, cert, key) }()
	dial := func(c credentials.TransportCredentials) *grpc.ClientConn {
		conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(c))
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn := dial(credentials.NewClientTLSFromCert(roots, ""))
	large := make([][]byte, 6000)
	for i := range large {
		large[i] = append(podOf(t, "1", "1Gi"), protowire.AppendBytes(protowire.AppendTag(nil, 100, protowire.BytesType), make([]byte, 1000))...)
	}
	answer, err := wire.NewExpanderClient(conn).BestOptions(t.Context(), &wire.BestOptionsRequest{Options: []*wire.Option{{NodeGroupId: "a", NodeCount: 2, Debug: "d", Pods: large}}})
	if err != nil || len(answer.Options) != 1 || answer.Options[0].NodeCount != 2 || answer.Options[0].Debug != "d" || len(answer.Options[0].Pods) != 0 {
		t.Errorf("answer %v, %v", answer, err)
	}
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
	plain := dial(insecure.NewCredentials())
	if _, err := wire.NewExpanderClient(plain).BestOptions(t.Context(), &wire.BestOptionsRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("without TLS: %v", err)
	}
	if err := errors.Join(conn.Close(), plain.Close()); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := e.Serve(t.Context(), l, "nowhere", "nowhere"); err == nil || !strings.Contains(err.Error(), "read certificate nowhere") {
		t.Errorf("served without a certificate: %v", err)
	}
}

// issue writes a certificate for this machine that signs itself.
func issue(t *testing.T, cert, key string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(os.WriteFile(cert, public, 0o600), os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return pool
}

// What is not a message is refused, nothing breaks, and of what is one something
// is always left.
func FuzzBestOptions(f *testing.F) {
	pods := [][]byte{podOf(f, "1", "1Gi")}
	seed, err := proto.Marshal(&wire.BestOptionsRequest{Options: []*wire.Option{{NodeGroupId: "a", NodeCount: 1, Pods: pods}, {NodeGroupId: "b", NodeCount: 2, LegacyPods: pods}},
		Nodes: map[string][]byte{"a": nodeOf(f, "4", "16Gi")}, LegacyNodes: map[string][]byte{"b": nodeOf(f, "2", "8Gi")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{0x0a, 0x02, 0xff, 0xff})
	e := expander(f, "capacity,priority,price,least-waste,balance,least-nodes,most-pods")
	f.Fuzz(func(t *testing.T, data []byte) {
		var r wire.BestOptionsRequest
		if proto.Unmarshal(data, &r) != nil {
			return
		}
		answer, err := e.BestOptions(context.Background(), &r)
		if err == nil && len(r.Options) > 0 && len(answer.Options) == 0 {
			t.Fatalf("nothing is left of %v", &r)
		}
	})
}
