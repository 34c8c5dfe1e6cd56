package oke

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
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

	mu     sync.Mutex
	writes []write // as they arrived
}

// write is a PUT or DELETE as the service got it.
type write struct {
	method, path, query, ifMatch, body string
}

func newWorld(t *testing.T, o okesim.Options) *world {
	t.Helper()
	if o.Latency == (okesim.Latency{}) {
		o.Latency = okesim.Latency{Accept: time.Millisecond, Provision: time.Millisecond, Boot: time.Millisecond, Terminate: time.Millisecond}
	}
	w := &world{t: t, sim: okesim.New(o)}
	w.server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.sim.Close)
	t.Cleanup(w.server.Close)
	w.cluster = w.sim.AddCluster(okesim.Cluster{Name: "c"})
	w.Provider = w.driver()
	return w
}

// serve notes writes before the cloud sees them.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		w.mu.Lock()
		w.writes = append(w.writes, write{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("if-match"), string(body)})
		w.mu.Unlock()
	}
	w.sim.ServeHTTP(rw, r)
}

// lastWrite is what the service got last.
func (w *world) lastWrite() write {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.writes) == 0 {
		w.t.Fatal("nothing was written")
	}
	return w.writes[len(w.writes)-1]
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
	p.readPolicy.base, p.writePolicy.base, p.consolePause = time.Millisecond, time.Millisecond, time.Millisecond
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
		spec.Shape = testShape
		if spec.OCPUs == 0 {
			spec.OCPUs, spec.MemoryGB = 2, 16
		}
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
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
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
