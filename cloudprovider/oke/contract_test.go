package oke

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/providertest"
	"github.com/tidemill/tidemill/internal/okesim"
)

// config is an OCI configuration file for all tests: a key takes a while to make.
var config string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "oke-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	sim := okesim.New(okesim.Options{})
	defer sim.Close()
	if config, err = sim.NewCredentials(dir, ""); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// world is an emulated cloud with one cluster and a driver that talks to it by
// HTTP.
type world struct {
	*Provider
	t       *testing.T
	sim     *okesim.Sim
	server  *httptest.Server
	cluster string
}

func newWorld(t *testing.T, o okesim.Options) *world {
	t.Helper()
	if o.Latency == (okesim.Latency{}) {
		o.Latency = okesim.Latency{Accept: time.Millisecond, Provision: time.Millisecond, Boot: time.Millisecond, Terminate: time.Millisecond}
	}
	w := &world{t: t, sim: okesim.New(o)}
	w.server = httptest.NewServer(w.sim)
	t.Cleanup(w.sim.Close)
	t.Cleanup(w.server.Close)
	w.cluster = w.sim.AddCluster(okesim.Cluster{Name: "c"})
	w.Provider = w.driver()
	return w
}

// driver makes another driver of the same cluster, impatient as tests are.
func (w *world) driver() *Provider {
	w.t.Helper()
	p, err := New(w.t.Context(), Options{
		ConfigFile: config, Endpoint: w.server.URL, CompartmentID: w.sim.Compartment(), ClusterID: w.cluster, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	p.readPolicy.base, p.writePolicy.base = time.Millisecond, time.Millisecond
	return p
}

const testShape = "VM.Standard.E4.Flex"

func (w *world) addPool(spec okesim.Pool) cloudprovider.PoolID {
	w.t.Helper()
	spec.ClusterID = w.cluster
	if spec.Name == "" {
		spec.Name = "workers"
	}
	if spec.Shape == "" {
		spec.Shape, spec.OCPUs, spec.MemoryGB = testShape, 2, 16
	}
	if spec.Placements == nil {
		spec.Placements = []okesim.Placement{{AD: w.sim.AvailabilityDomains()[0], SubnetID: "ocid1.subnet.oc1.iad.nodes"}}
	}
	if spec.KubernetesVersion == "" {
		spec.KubernetesVersion = "v1.34.1"
	}
	id, err := w.sim.AddPool(spec)
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle(cloudprovider.PoolID(id))
	return cloudprovider.PoolID(id)
}

// settle waits until the cloud has nothing left to do for the pool.
func (w *world) settle(id cloudprovider.PoolID) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		v, err := w.sim.Pool(string(id))
		if err != nil || v.State == "ACTIVE" || v.State == "NEEDS_ATTENTION" {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("pool %s is still %s: %+v", id, v.State, v.Nodes)
		}
	}
}

func (w *world) size(id cloudprovider.PoolID) int {
	w.t.Helper()
	v, err := w.sim.Pool(string(id))
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Size
}

// running are the pool's instances when all of them run.
func (w *world) running(id cloudprovider.PoolID) []cloudprovider.InstanceID {
	w.t.Helper()
	w.settle(id)
	list, err := w.Instances(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []cloudprovider.InstanceID
	for _, in := range list {
		if in.State != cloudprovider.Running {
			w.t.Fatalf("instance %+v", in)
		}
		ids = append(ids, in.ID)
	}
	return ids
}

// requests counts what do costs.
func (w *world) requests(do func()) map[string]int {
	before := w.sim.Calls()
	do()
	cost := map[string]int{}
	for op, n := range w.sim.Calls() {
		if n > before[op] {
			cost[op] = n - before[op]
		}
	}
	return cost
}

// TestContract runs the suite with the real SDK over HTTP, for each way in which
// the service may behave where no source says which it is.
func TestContract(t *testing.T) {
	for _, writes := range []string{"queue", "409"} {
		for _, form := range []string{"", "null", "absent"} {
			t.Run(fmt.Sprintf("writes on updating %s, missing id %q", writes, form), func(t *testing.T) {
				providertest.Run(t, func(t *testing.T) providertest.Harness {
					return newWorld(t, okesim.Options{PageSize: 3, WritesOnUpdating: writes, IDForm: form}).harness()
				})
			})
		}
	}
}

func (w *world) harness() providertest.Harness {
	return providertest.Harness{
		Provider: w.Provider,
		AddPool: func(name string, size int) cloudprovider.PoolID {
			return w.addPool(okesim.Pool{Name: name, Size: size})
		},
		RemovePool:  func(id cloudprovider.PoolID) { w.removePool(id) },
		SetSize:     func(id cloudprovider.PoolID, size int) { w.setSizeBehind(id, size) },
		SetCapacity: func(n int) { w.sim.SetCapacity(testShape, w.sim.AvailabilityDomains()[0], n) },
		Settle:      w.settle,
		Inject:      w.inject,
	}
}

func (w *world) removePool(id cloudprovider.PoolID) {
	w.t.Helper()
	w.settle(id)
	w.sim.DeletePool(string(id))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := w.sim.Pool(string(id)); err != nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("pool %s is still there", id)
		}
	}
}

func (w *world) setSizeBehind(id cloudprovider.PoolID, size int) {
	w.t.Helper()
	if _, err := w.sim.UpdatePool(string(id), okesim.PoolUpdate{Size: &size}, ""); err != nil {
		w.t.Fatal(err)
	}
}

// inject arms a fault for as many requests as the driver makes before it gives up.
func (w *world) inject(op providertest.Op, f providertest.Fault) {
	name := map[providertest.Op]string{
		providertest.Pools: "ListNodePools", providertest.Instances: "GetNodePool", providertest.Resize: "UpdateNodePool",
		providertest.Delete: "DeleteNode", providertest.Replace: "DeleteNode", providertest.SetRelease: "UpdateNodePool",
	}[op]
	tries := writePolicy.tries
	if op == providertest.Pools || op == providertest.Instances {
		tries = readPolicy.tries
	}
	switch f {
	case providertest.Lost:
		w.sim.FailNext(name, 1, okesim.HTTPFault{Drop: true})
	case providertest.Throttled:
		w.sim.FailNext(name, tries, okesim.HTTPFault{Status: 429})
	case providertest.Unauthorized:
		w.sim.FailNext(name, 1, okesim.HTTPFault{Status: 401})
	default:
		w.sim.FailNext(name, tries, okesim.HTTPFault{Status: 500})
	}
}
