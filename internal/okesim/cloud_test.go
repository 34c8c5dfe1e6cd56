package okesim

import (
	"crypto/rsa"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"go.uber.org/goleak"
)

const e4 = "VM.Standard.E4.Flex"

// cloud is a Sim behind HTTP with the real SDK's clients in front of it, and every event that it told.
type cloud struct {
	*Sim
	t        *testing.T
	server   *httptest.Server
	oke      containerengine.ContainerEngineClient
	compute  core.ComputeClient
	identity identity.IdentityClient
	cluster  string

	mu     sync.Mutex
	events []Event
}

var quick = Latency{Accept: 5 * time.Millisecond, Provision: 5 * time.Millisecond, Boot: 5 * time.Millisecond, Terminate: 5 * time.Millisecond}

// long lasts while a busy machine asks twice.
var long = Latency{Accept: 5 * time.Millisecond, Provision: 500 * time.Millisecond, Boot: 500 * time.Millisecond, Terminate: 5 * time.Millisecond}

func newCloud(t *testing.T, opt Options) *cloud {
	t.Helper()
	c := &cloud{t: t}
	t.Cleanup(func() { c.eventually("every goroutine to end", func() bool { return goleak.Find() == nil }) })
	if opt.Latency == (Latency{}) {
		opt.Latency = quick
	}
	opt.OnEvent = func(e Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.events = append(c.events, e)
	}
	c.Sim = New(opt)
	t.Cleanup(c.Close)
	c.server = httptest.NewServer(c.Sim)
	t.Cleanup(c.server.Close)
	c.cluster = c.AddCluster(Cluster{Name: "test", KubernetesVersion: "v1.35.0"})
	c.connect(c.credentials())
	return c
}

// testKey is one API key for all tests, as making one takes a while: the files of an OCI configuration, and what a Sim must know.
var testKey = sync.OnceValue(func() (k struct {
	dir, id string
	key     *rsa.PublicKey
}) {
	dir, err := os.MkdirTemp("", "okesim-test")
	if err != nil {
		panic(err)
	}
	s := New(Options{})
	if _, err := s.NewCredentials(dir, ""); err != nil {
		panic(err)
	}
	k.dir, k.id = dir, s.KeyIDs()[0]
	c, _ := s.credential(k.id)
	k.key = c.key
	return k
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(testKey().dir)
	os.Exit(code)
}

func (c *cloud) credentials() common.ConfigurationProvider {
	c.t.Helper()
	c.AddKey(testKey().id, testKey().key)
	p, err := common.ConfigurationProviderFromFileWithProfile(filepath.Join(testKey().dir, "config"), "DEFAULT", "")
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// connect points fresh SDK clients, without retries and without breaker, at the cloud.
func (c *cloud) connect(p common.ConfigurationProvider) {
	c.t.Helper()
	var errs [3]error
	c.oke, errs[0] = containerengine.NewContainerEngineClientWithConfigurationProvider(p)
	c.compute, errs[1] = core.NewComputeClientWithConfigurationProvider(p)
	c.identity, errs[2] = identity.NewIdentityClientWithConfigurationProvider(p)
	if err := errors.Join(errs[:]...); err != nil {
		c.t.Fatal(err)
	}
	once := common.NoRetryPolicy()
	for _, base := range []*common.BaseClient{&c.oke.BaseClient, &c.compute.BaseClient, &c.identity.BaseClient} {
		base.Host = c.server.URL
		base.HTTPClient = c.server.Client()
		base.Configuration.CircuitBreaker = nil
		base.Configuration.RetryPolicy = &once
	}
}

// spec is a pool over three availability domains.
func (c *cloud) spec(name string, size int) Pool { return specFor(c.Sim, c.cluster, name, size) }

func specFor(s *Sim, cluster, name string, size int) Pool {
	p := Pool{ClusterID: cluster, Name: name, Shape: e4, OCPUs: 2, MemoryGB: 16, Size: size, KubernetesVersion: "v1.34.1"}
	for _, ad := range s.AvailabilityDomains() {
		p.Placements = append(p.Placements, Placement{AD: ad, SubnetID: "ocid1.subnet.oc1.iad.workers"})
	}
	return p
}

// pool adds a pool and waits until it is at rest.
func (c *cloud) pool(name string, size int) string {
	c.t.Helper()
	id, err := c.AddPool(c.spec(name, size))
	if err != nil {
		c.t.Fatal(err)
	}
	c.rest(id)
	return id
}

// rest waits until a pool has no work under way and returns it.
func (c *cloud) rest(id string) PoolView {
	c.t.Helper()
	var p PoolView
	c.eventually("pool at rest", func() bool {
		var err error
		p, err = c.Pool(id)
		return err == nil && (p.State == poolActive || p.State == poolNeedsAttention)
	})
	return p
}

func (c *cloud) eventually(what string, done func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// get reads a pool through the SDK.
func (c *cloud) get(id string) containerengine.GetNodePoolResponse {
	c.t.Helper()
	r, err := c.oke.GetNodePool(c.t.Context(), containerengine.GetNodePoolRequest{NodePoolId: &id})
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// resize sets a pool's size through the SDK and returns the work request's OCID.
func (c *cloud) resize(id string, size int, ifMatch *string) (string, error) {
	r, err := c.oke.UpdateNodePool(c.t.Context(), containerengine.UpdateNodePoolRequest{NodePoolId: &id, IfMatch: ifMatch,
		UpdateNodePoolDetails: containerengine.UpdateNodePoolDetails{NodeConfigDetails: &containerengine.UpdateNodePoolNodeConfigDetails{Size: &size}}})
	if err != nil {
		return "", err
	}
	return *r.OpcWorkRequestId, nil
}

func (c *cloud) mustResize(id string, size int) string {
	c.t.Helper()
	w, err := c.resize(id, size, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return w
}

// finished waits for a work request, over the SDK, and returns it.
func (c *cloud) finished(id string) containerengine.WorkRequest {
	c.t.Helper()
	var w containerengine.WorkRequest
	c.eventually("work request finished", func() bool {
		r, err := c.oke.GetWorkRequest(c.t.Context(), containerengine.GetWorkRequestRequest{WorkRequestId: &id})
		if err != nil {
			c.t.Fatal(err)
		}
		w = r.WorkRequest
		return w.TimeFinished != nil
	})
	return w
}

// wantRefusal checks that err is the service's refusal with this status and code.
func wantRefusal(t *testing.T, err error, status int, code string) {
	t.Helper()
	refusal, ok := common.IsServiceError(err)
	if !ok || refusal.GetHTTPStatusCode() != status || refusal.GetCode() != code {
		t.Fatalf("got %v, want %d %s", err, status, code)
	}
	if refusal.GetOpcRequestID() == "" || refusal.GetMessage() == "" {
		t.Errorf("a refusal without opc-request-id or message: %v", err)
	}
}

// told returns the types of the events of one instance, in order.
func (c *cloud) told(instance string) []EventType {
	c.mu.Lock()
	defer c.mu.Unlock()
	var types []EventType
	for _, e := range c.events {
		if e.Instance.ID == instance {
			types = append(types, e.Type)
		}
	}
	return types
}

// live returns the instance OCIDs of a pool's nodes, sorted.
func live(p PoolView) []string {
	var ids []string
	for _, n := range p.Nodes {
		if n.ID != "" && n.State != nodeDeleting {
			ids = append(ids, n.ID)
		}
	}
	slices.Sort(ids)
	return ids
}
