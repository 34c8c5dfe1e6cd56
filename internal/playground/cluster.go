package playground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/tidemill/tidemill/internal/okesim"
)

// A Cluster is one running OKE cluster with the cloud it lives in.
type Cluster struct {
	opts Options
	dir  string
	ours bool // dir is temporary

	log      io.Writer
	closeLog func()

	ca       *authority
	etcd     *embed.Etcd
	etcdDoor *Door // nil unless Options.EtcdDoor
	serveAPI func(address string) error
	api      *apiServer
	config   *rest.Config
	client   *kubernetes.Clientset

	sim       *okesim.Sim
	joiner    *joiner
	evictor   *evictor
	oci       *http.Server
	endpoint  string
	ociConfig string
	id        string

	stopAPI, stopParts context.CancelFunc
	parts              sync.WaitGroup
	stop               sync.Once
}

// Start brings a cluster up. It returns when the API server is ready and the
// first instances of the pools are on their way; ctx ends the start, not the
// cluster. A start that fails leaves nothing behind.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	c := &Cluster{opts: opts.withDefaults(), joiner: newJoiner()}
	c.evictor = newEvictor(c)
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, fmt.Errorf("start playground: %w", err)
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) (err error) {
	if c.dir, c.ours, err = c.opts.makeDir(); err != nil {
		c.dir = ""
		return err
	}
	if c.log, c.closeLog, err = openLog(c.dir, c.opts); err != nil {
		return err
	}
	// The cluster's life is its own, not the starter's: a test's or a command's
	// context may end earlier than Stop is called.
	life := context.WithoutCancel(ctx)
	steps := []func() error{
		func() error { return c.startControlPlane(ctx, life) },
		func() error { return c.startParts(life) },
		func() error { return c.installSystem(ctx) },
		func() error { return c.startCloud() },
	}
	for _, step := range steps {
		if err := errors.Join(ctx.Err(), step()); err != nil {
			return err
		}
	}
	return nil
}

// startControlPlane starts etcd and kube-apiserver and waits for the latter.
func (c *Cluster) startControlPlane(ctx, life context.Context) (err error) {
	if c.ca, err = newAuthority(c.dir); err != nil {
		return err
	}
	saKey, err := c.ca.signingKey()
	if err != nil {
		return err
	}
	var etcdAddress string
	if c.etcd, etcdAddress, err = startEtcd(ctx, c.dir, filepath.Join(c.dir, "etcd.log")); err != nil {
		return err
	}
	if c.opts.EtcdDoor {
		if c.etcdDoor, err = NewDoor(strings.TrimPrefix(etcdAddress, "http://")); err != nil {
			return err
		}
		etcdAddress = "http://" + c.etcdDoor.Address()
	}
	c.serveAPI = func(address string) (err error) {
		life, stop := context.WithCancel(life)
		c.stopAPI = stop
		c.api, err = startAPIServer(life, address, c.ca, etcdAddress, saKey, c.dir, c.opts.Audit)
		return err
	}
	if err = c.serveAPI("127.0.0.1:0"); err != nil {
		return err
	}
	if c.config, err = componentConfig(c.api.address, c.ca); err != nil {
		return err
	}
	if c.client, err = kubernetes.NewForConfig(c.as("playground")); err != nil {
		return err
	}
	if err := c.writeAdminKubeconfig(); err != nil {
		return err
	}
	return c.api.wait(ctx, c.config)
}

// startParts starts all that works against the API server.
func (c *Cluster) startParts(life context.Context) error {
	life, c.stopParts = context.WithCancel(life)
	if err := c.startControllers(life); err != nil {
		return err
	}
	if err := c.startScheduler(life); err != nil {
		return err
	}
	if err := c.startKubelets(life); err != nil {
		return err
	}
	c.joiner.client = c.client
	c.evictor.life = life
	c.spawn(life, c.joiner.run)
	return nil
}

// startCloud serves the emulated OCI on a free port and creates the cluster
// and its pools in it.
func (c *Cluster) startCloud() (err error) {
	options := c.opts.Cloud
	options.OnEvent = c.joiner.observe
	options.Kubernetes = c.evictor
	options.VerifySignatures = true // as the real one; the config file has the key
	c.sim = okesim.New(options)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	c.endpoint = "http://" + listener.Addr().String()
	c.oci = &http.Server{Handler: c.sim, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = c.oci.Serve(listener) }() // ends with Stop, never otherwise
	if c.ociConfig, err = c.sim.NewCredentials(filepath.Join(c.dir, "oci"), c.endpoint); err != nil {
		return err
	}
	c.id = c.sim.AddCluster(okesim.Cluster{
		Name: c.opts.Name, KubernetesVersion: c.opts.KubernetesVersion, Endpoint: c.api.address, CNI: vcnNative,
	})
	pools := c.opts.Pools
	if pools == nil {
		pools = DemoPools()
	}
	for _, p := range pools {
		if _, err := c.AddPool(p); err != nil {
			return err
		}
	}
	return nil
}

// AddPool adds a node pool to the cluster and returns its OCID. An empty
// Kubernetes version means [DemoVersion].
func (c *Cluster) AddPool(p okesim.Pool) (string, error) {
	p.ClusterID = c.id
	if p.KubernetesVersion == "" {
		p.KubernetesVersion = DemoVersion
	}
	id, err := c.sim.AddPool(p)
	if err != nil {
		return "", fmt.Errorf("add pool %s: %w", p.Name, err)
	}
	return id, nil
}

// spawn runs a part of the cluster until ctx ends; Stop waits for it.
func (c *Cluster) spawn(ctx context.Context, r run) {
	c.parts.Go(func() { r(ctx) })
}

// Dir is the directory of everything that the cluster wrote.
func (c *Cluster) Dir() string { return c.dir }

// Sim is the emulated cloud, for what a story does behind everybody's back.
func (c *Cluster) Sim() *okesim.Sim { return c.sim }

// OCIConfig is the path of an OCI config file, profile DEFAULT, whose key the
// emulated cloud accepts.
func (c *Cluster) OCIConfig() string { return c.ociConfig }

// OCIEndpoint is where every emulated OCI service answers, "http://127.0.0.1:port".
func (c *Cluster) OCIEndpoint() string { return c.endpoint }

// ClusterID is the OKE cluster's OCID.
func (c *Cluster) ClusterID() string { return c.id }

// CompartmentID is the OCID of the compartment of the cluster and its pools.
func (c *Cluster) CompartmentID() string { return c.sim.Compartment() }

// PoolID finds a pool's OCID by its name, "" if there is none.
func (c *Cluster) PoolID(name string) string {
	for _, p := range c.sim.Pools() {
		if p.Name == name && p.ClusterID == c.id {
			return p.ID
		}
	}
	return ""
}

// RefuseJoins keeps the new instances of a pool from registering as Nodes, as a
// wrong security list would, or lets them (also those that waited). Nodes that
// have joined are not touched.
func (c *Cluster) RefuseJoins(poolID string, refuse bool) { c.joiner.refuse(poolID, refuse) }

// Stop ends the cluster and leaves nothing of it: no listener, no goroutine of
// weight, and no directory unless the user chose it. It may be called twice,
// and on a cluster whose start failed half-way.
func (c *Cluster) Stop() {
	c.stop.Do(func() {
		if c.sim != nil {
			c.sim.Close() // first: no event may come when nobody listens
		}
		if c.oci != nil {
			_ = c.oci.Close()
		}
		c.awaitAPI()
		if c.stopParts != nil {
			c.stopParts()
			within(time.Minute, c.parts.Wait)
		}
		if c.stopAPI != nil {
			c.stopAPI()
		}
		if c.api != nil {
			within(time.Minute, func() { <-c.api.done })
		}
		if c.etcdDoor != nil {
			_ = c.etcdDoor.Close()
		}
		if c.etcd != nil {
			c.etcd.Close()
		}
		if c.closeLog != nil {
			c.closeLog()
		}
		if c.ours && c.dir != "" {
			_ = os.RemoveAll(c.dir)
		}
	})
}

// awaitAPI lets the API server finish its start before it is stopped: a start
// hook that is cut off ends the whole process (klog.Fatal), and with it the rest
// of the cleaning up. It matters to a ctrl-C in the first two seconds.
func (c *Cluster) awaitAPI() {
	if c.api == nil || c.config == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_ = c.api.wait(ctx, c.config) // not ready by now: there is nothing better than to go on
}

// within waits for done, but not for ever: a part that hangs must not keep the
// rest from being cleaned up.
func within(limit time.Duration, done func()) {
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		done()
	}()
	select {
	case <-finished:
	case <-time.After(limit):
	}
}
