package externalgrpc

import (
	"context"
	"encoding/hex"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares bytes with a file of them, in hexadecimal so that a change
// can be read.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	text := hex.Dump(got)
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Durations as each generation writes them.
func inlined(n protowire.Number, d time.Duration) []byte { return field(n, field(1, int(d))) }

func modern(n protowire.Number, d time.Duration) []byte {
	return field(n, field(1, int(d/time.Second)))
}

// The defaults of each generation of clients, field by field: two thresholds,
// then what came later.
var (
	thresholds = join(field(1, math.Float64bits(0.5)), field(2, math.Float64bits(0.5)))
	legacy     = join(inlined(3, 10*time.Minute), inlined(4, 20*time.Minute), inlined(5, 15*time.Minute))
	peers      = join(modern(8, 10*time.Minute), modern(9, 20*time.Minute), modern(10, 15*time.Minute))
)

var generations = []struct {
	name     string
	want     Generation
	defaults []byte
}{
	{"1.33", GenerationInlined, join(thresholds, legacy)},
	{"1.34", GenerationBoth, join(thresholds, legacy, field(7, 1), peers)},
	{"1.35", GenerationTrap, join(thresholds, field(7, 1), peers)},
	{"next", GenerationMended, join(thresholds, peers, modern(11, 15*time.Minute), field(12, 1), field(77, "from the future"))},
}

// optioned serves a pool whose tag overrides one option.
func optioned(t *testing.T, tags map[string]string) (*served, string) {
	t.Helper()
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{ID: "pool", Size: 1, Tags: tags})
	return serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {0, 3}}}}), string(id)
}

// Without an override every client is left to its own flags: an answer, even an
// echo, harms some of them.
func TestOptionsAreLeftAloneUnlessOverridden(t *testing.T) {
	s, id := optioned(t, map[string]string{"team": "a", optionTag + "scaledownunneededtime": "soon"})
	for _, g := range generations {
		_, err := s.raw("NodeGroupGetOptions", join(field(1, id), field(2, g.defaults)))
		wantCode(t, err, codes.Unimplemented)
	}
}

func TestOptionsOverriddenForEachGeneration(t *testing.T) {
	s, id := optioned(t, map[string]string{optionTag + "scaledownunneededtime": "3m", optionTag + "scaledownutilizationthreshold": "0.25"})
	for _, g := range generations {
		t.Run(g.name, func(t *testing.T) {
			answer, err := s.raw("NodeGroupGetOptions", join(field(1, id), field(2, g.defaults)))
			if g.want == GenerationTrap {
				wantCode(t, err, codes.Unimplemented) // they would take max-node-startup-time for 0
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "options-"+g.name+".hex", answer)
			sent, got := fields(t, g.defaults), fields(t, fields(t, answer)[1][0])
			for n := range sent {
				if len(got[n]) != 1 {
					t.Errorf("field %d was sent and is not echoed", n)
				}
			}
			for n := range got {
				if len(sent[n]) != 1 {
					t.Errorf("field %d was not sent and is answered", n)
				}
			}
			// What the overrides say, in the forms that this client knows.
			want := fields(t, join(field(1, math.Float64bits(0.25)), inlined(3, 3*time.Minute), modern(8, 3*time.Minute)))
			for n, values := range sent {
				if want[n] == nil {
					want[n] = values
				}
				if !cmp.Equal(want[n], got[n]) {
					t.Errorf("field %d: got %x, want %x", n, got[n], want[n])
				}
			}
		})
	}
}

// A duration that an old client left out would crash it when it reads the
// answer, so that it gets one.
func TestAbsentDurationsAreFilledIn(t *testing.T) {
	s, id := optioned(t, map[string]string{optionTag + "scaledownutilizationthreshold": "0.25"})
	answer, err := s.raw("NodeGroupGetOptions", join(field(1, id), field(2, join(thresholds, inlined(3, 10*time.Minute)))))
	if err != nil {
		t.Fatal(err)
	}
	got := fields(t, fields(t, answer)[1][0])
	want := fields(t, legacy)
	for _, n := range []protowire.Number{3, 4, 5} {
		if !cmp.Equal(want[n], got[n]) {
			t.Errorf("field %d: %x, want %x", n, got[n], want[n])
		}
	}
}

func TestGenerationOfClients(t *testing.T) {
	s, id := optioned(t, nil)
	_ = s
	for _, g := range generations {
		r := optionsRequest(t, join(field(1, id), field(2, g.defaults)))
		if got := generationOf(r.GetDefaults()); got != g.want {
			t.Errorf("%s: %s, want %s", g.name, got, g.want)
		}
	}
	if got := generationOf(nil); got != GenerationUnknown || got.String() != "unknown" || Generation(99).String() != "unknown" {
		t.Errorf("generation of nothing is %s", got)
	}
}

// Old clients read a message in field 1, new ones bytes in field 2: the same
// bytes serve both.
func TestTemplateForEachGeneration(t *testing.T) {
	cloud := fake.New(fake.Options{})
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")}
	id := cloud.AddPool(fake.Pool{ID: "pool", Name: "workers", Template: &corev1.Node{Status: corev1.NodeStatus{Capacity: room, Allocatable: room}}})
	s := serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {0, 3}}}})
	answer, err := s.raw("NodeGroupTemplateNodeInfo", field(1, string(id)))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "template.hex", answer)
	got := fields(t, answer)
	if len(got) != 2 || string(got[1][0]) != string(got[2][0]) {
		t.Fatalf("fields 1 and 2 differ: %x", got)
	}
	var n corev1.Node
	if err := n.Unmarshal(got[1][0]); err != nil {
		t.Fatal(err)
	}
	if n.Name != "template-workers" || n.Status.Allocatable.Cpu().String() != "8" || n.Labels[corev1.LabelTopologyZone] != "ZONE-1" || n.Labels[corev1.LabelHostname] != n.Name {
		t.Errorf("template %s, labels %v, allocatable %v", n.Name, n.Labels, n.Status.Allocatable)
	}
}

// What is not a message is refused, nothing breaks, and whatever is said: reads do
// not reach the cloud, a refused call writes nothing, and the group stays within
// its bounds as far as machines that work are concerned. The seeds are what each
// generation of clients says, for every call that there is.
func FuzzMessages(f *testing.F) {
	seen := map[string]bool{}
	for _, s := range said(f) {
		f.Add(s.method, s.request)
		seen[s.method] = true
	}
	for _, m := range wire.CloudProvider_ServiceDesc.Methods {
		if !seen[m.MethodName] {
			f.Fatalf("no conversation has %s", m.MethodName)
		}
		f.Add(m.MethodName, []byte{0xff, 0x00})
		f.Add(m.MethodName, join(field(1, -1<<31), field(2, "pool-a")))
		f.Add(m.MethodName, join(field(1, field(1, "ocid1.instance.of.another.cluster")), field(2, "pool-a")))
	}
	cloud := fake.New(fake.Options{})
	cloud.AddPool(fake.Pool{ID: "pool-a", Size: 1, Price: 1})
	p, err := New(Options{Fleet: cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{}), Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{"pool-a": {1, 3}}}})
	if err != nil {
		f.Fatal(err)
	}
	p.look(context.Background())
	f.Fuzz(func(t *testing.T, method string, data []byte) {
		before, had := changes(cloud), machines(cloud)
		answer, err := direct(p, method, data)
		if err != nil && strings.Contains(err.Error(), "broke") {
			t.Fatalf("%s: %v", method, err)
		}
		if method == "NodeGroupTemplateNodeInfo" && err == nil && answer == nil {
			t.Fatal("an empty template")
		}
		writes := method == "NodeGroupIncreaseSize" || method == "NodeGroupDeleteNodes" || method == "NodeGroupDecreaseTargetSize"
		if changes(cloud) != before && (err != nil || !writes) {
			t.Fatalf("%s changed the cloud and answered %v", method, err)
		}
		// A node that the client made up never worked: it may go at the minimum too.
		if n := machines(cloud); n > 3 || n < min(had, 1) && !strings.Contains(string(data), fakeNodeReason) {
			t.Fatalf("%s: %d machines, there were %d", method, n, had)
		}
		p.look(context.Background())
	})
}

// changes counts the writes that reached the cloud.
func changes(cloud *fake.Cloud) (n int) {
	for _, c := range cloud.Calls() {
		if c.Err == nil && (c.Op == "Resize" || c.Op == "Delete") {
			n++
		}
	}
	return n
}

func machines(cloud *fake.Cloud) int {
	list, _ := cloud.Instances(context.Background(), "pool-a")
	return len(list)
}
