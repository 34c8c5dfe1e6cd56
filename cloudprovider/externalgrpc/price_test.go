package externalgrpc

import (
	"math"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

// machine is a template with so many vCPUs, GiB and GPUs.
func machine(cpu, memory, gpus string) *corev1.Node {
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory), "nvidia.com/gpu": resource.MustParse(gpus)}
	return &corev1.Node{Status: corev1.NodeStatus{Capacity: room, Allocatable: room.DeepCopy()}}
}

// market has three priced pools and one whose price nobody knows.
func market(t *testing.T) (*served, map[string]cloudprovider.PoolID) {
	cloud := fake.New(fake.Options{})
	ids := map[string]cloudprovider.PoolID{
		"cheap":   cloud.AddPool(fake.Pool{Name: "cheap", Size: 1, Max: 9, Price: 0.10, Template: machine("4", "32Gi", "0")}),
		"dear":    cloud.AddPool(fake.Pool{Name: "dear", Size: 1, Max: 9, Price: 0.30, Template: machine("4", "32Gi", "0")}),
		"gpu":     cloud.AddPool(fake.Pool{Name: "gpu", Size: 1, Max: 9, Price: 2.10, Template: machine("4", "32Gi", "2")}),
		"unknown": cloud.AddPool(fake.Pool{Name: "unknown", Size: 1, Max: 9}),
	}
	return serve(t, cloud, Options{Selection: Selection{Pools: true}}), ids
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// As --expander=price asks: by the node that was made of our template, for an
// hour from now.
func TestNodePrice(t *testing.T) {
	s, ids := market(t)
	from := time.Now()
	ask := func(n *wire.ExternalGrpcNode, d time.Duration) (float64, error) {
		r, err := s.client.PricingNodePrice(t.Context(), &wire.PricingNodePriceRequest{Node: n, Start: timestamppb.New(from), End: timestamppb.New(from.Add(d))})
		return r.GetPrice(), err
	}
	for name, want := range map[string]float64{"cheap": 0.10, "dear": 0.30, "gpu": 2.10} {
		n := s.template(ids[name])
		of := &wire.ExternalGrpcNode{Name: "made-of-a-template", Labels: n.Labels, Annotations: n.Annotations}
		if got, err := ask(of, 2*time.Hour); err != nil || !near(got, 2*want) {
			t.Errorf("%s: %v for two hours, %v", name, got, err)
		}
		if got, err := ask(real(s.instances(ids[name])[0].Id), 30*time.Minute); err != nil || !near(got, want/2) {
			t.Errorf("a machine of %s: %v for half an hour, %v", name, got, err)
		}
	}
	for name, n := range map[string]*wire.ExternalGrpcNode{"without a price": real(s.instances(ids["unknown"])[0].Id), "nobody's": real("x"), "nothing": nil,
		"of no pool of ours": {Name: "n", Annotations: map[string]string{v1alpha1.AnnotationNodePoolID: "far"}}} {
		_, err := ask(n, time.Hour)
		if wantCode(t, err, codes.Unimplemented); err == nil {
			t.Errorf("%s has a price", name)
		}
	}
	_, err := ask(real(s.instances(ids["cheap"])[0].Id), -time.Hour)
	wantCode(t, err, codes.InvalidArgument)
	_, err = ask(real(s.instances(ids["cheap"])[0].Id), 1<<62)
	wantCode(t, err, codes.InvalidArgument)
}

// Pieces cost what they cost in the cheapest group: a pod that fills the cheap
// node costs what that node costs, and a GPU is the rest of its node.
func TestPodPrice(t *testing.T) {
	s, _ := market(t)
	pod := func(cpu, memory, gpus string) []byte {
		p := &corev1.Pod{}
		p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: machine(cpu, memory, gpus).Status.Capacity}}}
		data, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	price := func(r *wire.PricingPodPriceRequest) float64 {
		t.Helper()
		answer, err := s.client.PricingPodPrice(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Price
	}
	if got := price(&wire.PricingPodPriceRequest{Pod: pod("4", "32Gi", "0")}); !near(got, 0.10) {
		t.Errorf("a pod as large as the cheap node costs %v", got)
	}
	if got := price(&wire.PricingPodPriceRequest{Pod: pod("2", "16Gi", "0")}); !near(got, 0.05) {
		t.Errorf("half of it costs %v", got)
	}
	if got := price(&wire.PricingPodPriceRequest{Pod: pod("0", "0", "1")}); !near(got, 1) {
		t.Errorf("a GPU costs %v", got)
	}
	legacy := &wire.PricingPodPriceRequest{LegacyPod: pod("4", "32Gi", "0"), LegacyStart: &wire.LegacyTime{Seconds: 1000}, LegacyEnd: &wire.LegacyTime{Seconds: 1000 + 3*3600}}
	if got := price(legacy); !near(got, 0.30) {
		t.Errorf("an old client's three hours cost %v", got)
	}
	_, err := s.client.PricingPodPrice(t.Context(), &wire.PricingPodPriceRequest{Pod: []byte{0xff}})
	wantCode(t, err, codes.InvalidArgument)
}

// Where no price is known nothing is made up.
func TestNoPriceIsKnown(t *testing.T) {
	s, id := one(t, 1, 0, 3)
	_, err := s.client.PricingPodPrice(t.Context(), &wire.PricingPodPriceRequest{})
	wantCode(t, err, codes.Unimplemented)
	_, err = s.client.PricingNodePrice(t.Context(), &wire.PricingNodePriceRequest{Node: real(s.instances(id)[0].Id)})
	wantCode(t, err, codes.Unimplemented)
}
