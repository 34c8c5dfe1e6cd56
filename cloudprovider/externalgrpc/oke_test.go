package externalgrpc

import (
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/oke"
	"github.com/tidemill/tidemill/internal/okesim"
)

// The oldest complaint of OKE's users, told with the real driver: growth meets
// "out of host capacity", the client sees the failure at once, takes the failed
// entries back as often as it likes, and the machine that runs stays.
func TestOutOfHostCapacityOnOKE(t *testing.T) {
	sim := okesim.New(okesim.Options{VerifySignatures: true, Latency: okesim.Latency{Accept: -1, Provision: -1, Boot: -1, Terminate: -1}})
	defer sim.Close()
	server := httptest.NewServer(sim)
	defer server.Close()
	config, err := sim.NewCredentials(t.TempDir(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	cluster := sim.AddCluster(okesim.Cluster{Name: "test"})
	const shape = "VM.Standard.E4.Flex"
	text, err := sim.AddPool(okesim.Pool{ClusterID: cluster, Name: "workers", Shape: shape, Size: 1, Placements: []okesim.Placement{{AD: sim.AvailabilityDomains()[0], SubnetID: "ocid1.subnet.oc1..test"}}})
	if err != nil {
		t.Fatal(err)
	}
	id := cloudprovider.PoolID(text)
	driver, err := oke.New(t.Context(), oke.Options{ConfigFile: config, Endpoint: server.URL, CompartmentID: sim.Compartment(), ClusterID: cluster, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := serveFleet(t, cloudprovider.NewFleet(driver, cloudprovider.FleetOptions{}), Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {1, 5}}}})
	running := s.await(id, func(list []*wire.Instance) bool {
		return len(list) == 1 && list[0].Status.State == wire.InstanceStatus_RUNNING
	})[0].Id
	for _, ad := range sim.AvailabilityDomains() {
		sim.SetCapacity(shape, ad, 0)
	}
	if _, err := s.client.NodeGroupIncreaseSize(t.Context(), &wire.NodeGroupIncreaseSizeRequest{Id: text, Delta: 2}); err != nil {
		t.Fatal(err)
	}
	var gone []*wire.ExternalGrpcNode
	for _, in := range s.await(id, func(list []*wire.Instance) bool { return errorsIn(list) == 2 }) {
		if e := in.Status.ErrorInfo; e != nil {
			if e.InstanceErrorClass != 1 || e.ErrorCode != "OutOfHostCapacity" {
				t.Errorf("error %v", e)
			}
			gone = append(gone, failed(in.Id))
		}
	}
	for range 3 {
		if err := s.delete(id, gone...); err != nil {
			t.Fatal(err)
		}
	}
	left := s.await(id, func(list []*wire.Instance) bool { return len(list) == 1 })
	if left[0].Id != running || left[0].Status.State != wire.InstanceStatus_RUNNING || s.size(id) != 1 {
		t.Errorf("left %v of size %d, want %s", left, s.size(id), running)
	}
	n := s.template(id)
	if n.Status.Allocatable.Cpu().IsZero() || n.Status.Allocatable.Memory().IsZero() || n.Labels["topology.kubernetes.io/zone"] == "" {
		t.Errorf("template %v %v", n.Labels, n.Status.Allocatable)
	}
}

func errorsIn(list []*wire.Instance) (n int) {
	for _, in := range list {
		if in.Status.GetErrorInfo() != nil {
			n++
		}
	}
	return n
}

// await looks until the group's instances are as wanted.
func (s *served) await(id cloudprovider.PoolID, wanted func([]*wire.Instance) bool) []*wire.Instance {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		s.look()
		list := s.instances(id)
		if wanted(list) {
			return list
		}
		if time.Now().After(deadline) {
			s.Fatalf("instances %v", list)
		}
	}
}
