package externalgrpc

import (
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/autoscaler"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/cloudprovider/oke"
	"github.com/tidemill/tidemill/internal/okesim"
)

// stage is a pool of one machine between 1 and 6 in some cloud, with a client
// that plays cluster-autoscaler's loop.
type stage struct {
	*served
	client *autoscaler.Autoscaler
	pool   cloudprovider.PoolID
	// capacity is how many more machines are to be had; negative is any number.
	capacity func(n int)
	// stall makes machines that are asked for from now on stay on their way.
	stall  func()
	now    time.Time
	silent map[string]bool // machines that do not register
}

func fakeStage(t *testing.T) *stage {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Name: "workers", Size: 1, Tags: map[string]string{}})
	s := serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {1, 6}}}})
	return &stage{served: s, client: autoscaler.New(s.conn), pool: id, now: time.Now(), silent: map[string]bool{},
		capacity: func(n int) { cloud.SetCapacity("ZONE-1", n) },
		stall:    func() { cloud.SetLatency(fake.Latency{Launch: 1000 * time.Hour}) }}
}

func okeStage(t *testing.T) *stage {
	sim := okesim.New(okesim.Options{VerifySignatures: true, Latency: okesim.Latency{Accept: -1, Provision: -1, Boot: -1, Terminate: -1}})
	t.Cleanup(sim.Close)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	config, err := sim.NewCredentials(t.TempDir(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	const shape = "VM.Standard.E4.Flex"
	ad := sim.AvailabilityDomains()[0]
	cluster := sim.AddCluster(okesim.Cluster{Name: "test"})
	id, err := sim.AddPool(okesim.Pool{ClusterID: cluster, Name: "workers", Shape: shape, Size: 1, Placements: []okesim.Placement{{AD: ad, SubnetID: "ocid1.subnet.oc1..test"}}})
	if err != nil {
		t.Fatal(err)
	}
	driver, err := oke.New(t.Context(), oke.Options{ConfigFile: config, Endpoint: server.URL, CompartmentID: sim.Compartment(), ClusterID: cluster, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	pool := cloudprovider.PoolID(id)
	s := serveFleet(t, cloudprovider.NewFleet(driver, cloudprovider.FleetOptions{}), Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{pool: {1, 6}}}})
	s.look()
	return &stage{served: s, client: autoscaler.New(s.conn), pool: pool, now: time.Now(), silent: map[string]bool{},
		capacity: func(n int) { sim.SetCapacity(shape, ad, n) }}
}

// nodes are the Nodes in the cluster: machines that run register, unless they are
// silent.
func (s *stage) nodes() (list []autoscaler.Node) {
	for _, in := range s.instances(s.pool) {
		if in.Status.State == wire.InstanceStatus_RUNNING && !s.silent[in.Id] {
			list = append(list, autoscaler.Node{Name: "node-of-" + in.Id, ProviderID: in.Id})
		}
	}
	return list
}

// loop is one loop after d; what it could not do is an error of the test unless
// it is of the code that is expected.
func (s *stage) loop(d time.Duration, w autoscaler.Wish, expected ...codes.Code) autoscaler.Did {
	s.Helper()
	s.now = s.now.Add(d)
	did, err := s.client.Loop(s.Context(), s.nodes(), w, s.now)
	if err != nil {
		s.Fatalf("the loop ended: %v", err)
	}
	for _, err := range did.Errors {
		if !slices.Contains(expected, status.Code(err)) {
			s.Errorf("refused: %v", err)
		}
	}
	return did
}

// settle waits until so many machines run, and the group is as large.
func (s *stage) settle(n int) {
	s.Helper()
	s.await(s.pool, func(list []*wire.Instance) bool {
		running := 0
		for _, in := range list {
			if in.Status.State == wire.InstanceStatus_RUNNING {
				running++
			}
		}
		return running == n && len(list) == n && s.size(s.pool) == n
	})
}

func stages() map[string]func(*testing.T) *stage {
	return map[string]func(*testing.T) *stage{"fake": fakeStage, "oke": okeStage}
}

// Growth, its failure, silence and shrinking, one after the other, as
// cluster-autoscaler lives through them.
func TestClusterAutoscalersLife(t *testing.T) {
	for name, open := range stages() {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.settle(1)
			grow := func(n int) autoscaler.Wish { return autoscaler.Wish{Grow: map[string]int{string(s.pool): n}} }
			if d := s.loop(0, autoscaler.Wish{}); d.Skipped != "" || d.Grown+d.Shrunk != 0 {
				t.Fatalf("at rest: %+v", d)
			}

			// Scale-up.
			if d := s.loop(time.Minute, grow(2)); d.Grown != 2 {
				t.Fatalf("growth: %+v", d)
			}
			s.settle(3)

			// Failed growth: the entries are deleted, the group rests, the machines stay.
			s.capacity(0)
			if d := s.loop(time.Minute, grow(2)); d.Grown != 2 {
				t.Fatalf("growth: %+v", d)
			}
			s.await(s.pool, func(list []*wire.Instance) bool { return errorsIn(list) == 2 })
			d := s.loop(10*time.Second, grow(2))
			if d.Skipped != "deleted failed entries" || !slices.Equal(d.BackedOff, []string{string(s.pool)}) || d.Grown != 0 {
				t.Fatalf("after a failed growth: %+v", d)
			}
			s.settle(3)
			if d := s.loop(10*time.Second, grow(2)); d.Skipped != "" || d.Grown != 0 {
				t.Fatalf("while the group rests: %+v", d)
			}

			// A machine that never registers.
			s.capacity(-1)
			before := s.nodes()
			if d := s.loop(10*time.Minute, grow(1)); d.Grown != 1 {
				t.Fatalf("after the rest: %+v", d)
			}
			s.await(s.pool, func(list []*wire.Instance) bool {
				return len(list) == 4 && list[3].Status.State == wire.InstanceStatus_RUNNING
			})
			for _, in := range s.instances(s.pool) {
				s.silent[in.Id] = !slices.ContainsFunc(before, func(n autoscaler.Node) bool { return n.ProviderID == in.Id })
			}
			if d := s.loop(time.Minute, autoscaler.Wish{}); d.Skipped != "" {
				t.Fatalf("soon after a machine is silent: %+v", d)
			}
			if d := s.loop(autoscaler.ProvisionTime, autoscaler.Wish{}); d.Skipped != "deleted unregistered nodes" {
				t.Fatalf("long after: %+v", d)
			}
			s.settle(3)

			// Scale-down to the minimum, and not below.
			left := s.nodes()
			for i := range 2 {
				if d := s.loop(time.Minute, autoscaler.Wish{Remove: left[i : i+1]}); d.Shrunk != 1 {
					t.Fatalf("removal %d: %+v", i, d)
				}
				s.settle(2 - i)
			}
			if d := s.loop(time.Minute, autoscaler.Wish{Remove: left[2:]}, codes.FailedPrecondition); d.Shrunk != 0 || len(d.Errors) != 1 || !strings.Contains(d.Errors[0].Error(), "at least 1") {
				t.Fatalf("below the minimum: %+v", d)
			}
			s.look()
			s.settle(1)
		})
	}
}

// Machines that stay on their way: the client takes its target back, and as much
// of it as there is, without an end of its loop.
func TestTargetsAreTakenBack(t *testing.T) {
	s := fakeStage(t)
	s.stall()
	if d := s.loop(0, autoscaler.Wish{Grow: map[string]int{string(s.pool): 3}}); d.Grown != 3 {
		t.Fatalf("growth: %+v", d)
	}
	s.look()
	if err := s.client.TakeBack(t.Context(), string(s.pool), 3); err != nil || s.size(s.pool) != 1 {
		t.Fatalf("size %d, %v", s.size(s.pool), err)
	}
	s.look()
	if list := s.instances(s.pool); len(list) != 1 || cloudprovider.InstanceID(list[0].Id).Placeholder() {
		t.Fatalf("left %v", list)
	}
	if err := s.client.TakeBack(t.Context(), string(s.pool), 1); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a live machine was taken back: %v", err)
	}
}

// A machine that runs and that the cloud gives up on is deleted by name.
func TestAMachineThatTheCloudGivesUp(t *testing.T) {
	s := fakeStage(t)
	if d := s.loop(0, autoscaler.Wish{Grow: map[string]int{string(s.pool): 1}}); d.Grown != 1 {
		t.Fatalf("growth: %+v", d)
	}
	s.look()
	list := s.instances(s.pool)
	s.cloud.SetLatency(fake.Latency{Boot: 1000 * time.Hour}) // running no more, but being created
	s.cloud.SetFault(cloudprovider.InstanceID(list[1].Id), &cloudprovider.Fault{Class: cloudprovider.FaultRegistration, Message: "register timeout"})
	s.look()
	if d := s.loop(time.Minute, autoscaler.Wish{}); d.Skipped != "deleted failed entries" {
		t.Fatalf("%+v of %v", d, s.instances(s.pool))
	}
	s.look()
	if left := s.instances(s.pool); len(left) != 1 || left[0].Id != list[0].Id {
		t.Errorf("left %v, want %s", left, list[0].Id)
	}
}
