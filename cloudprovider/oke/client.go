package oke

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"golang.org/x/sync/singleflight"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/skew"
)

// Options say which cluster, as whom, and by what way.
type Options struct {
	// ConfigFile is an OCI configuration file; "" is ~/.oci/config. Profile is
	// its section; "" is DEFAULT.
	ConfigFile, Profile string
	// Region replaces the profile's region.
	Region string
	// Auth is by what to authenticate; AuthUnknown lets environment and file say.
	Auth Auth
	// Endpoint, scheme and host alone, replaces the region's endpoints of all
	// services; ContainerEngineEndpoint and ComputeEndpoint go before it, for
	// private endpoints of one service.
	Endpoint, ContainerEngineEndpoint, ComputeEndpoint string
	// CABundle is a PEM file of authorities to trust beside the system's, for a
	// proxy that opens TLS; "" is OCI_CLI_CERT_BUNDLE, else OCI_DEFAULT_CERTS_PATH.
	CABundle string
	// CompartmentID is where the node pools are, ClusterID whose they are.
	CompartmentID, ClusterID string
	// ServiceAccountToken replaces the token that Kubernetes mounts into the pod,
	// for WorkloadIdentity.
	ServiceAccountToken string
	// HTTPClient sends the requests; nil is a client each for reads, writes and
	// Compute that goes by HTTPS_PROXY and CABundle.
	HTTPClient common.HTTPRequestDispatcher
	// Signer, if set, signs the requests instead of the key: a cloud in memory that
	// checks no signature wants one that costs nothing.
	Signer common.HTTPRequestSigner
	// Guard, if set, is given each request that may change something, and send, which
	// sends it: it may keep it from being sent, or bound it. A leader's fence belongs
	// here.
	Guard Guard
	// Prices is asked with each look at the pools; nil is ShippedPrices.
	Prices func() Prices
	// Env reads the environment; nil is os.Getenv.
	Env func(string) string
	// Random is uniform in [0,1) and spreads retries; nil is math/rand.
	Random func() float64
	// Log is slog.Default() if nil.
	Log *slog.Logger
}

// Provider is the driver. It implements cloudprovider's Provider and all of its
// optional interfaces.
type Provider struct {
	compartment, cluster string
	who                  identity
	log                  *slog.Logger
	metrics              *metrics
	random               func() float64
	readPolicy           policy
	writePolicy          policy

	// Separate clients keep a pile of slow reads from standing before a write.
	reads, writes containerengine.ContainerEngineClient
	compute       core.ComputeClient
	clock         skew.Meter // Compute's
	network       core.VirtualNetworkClient
	limits        limits.LimitsClient

	listed reread[[]containerengine.NodePoolSummary]

	mu     sync.Mutex // guards the maps; what they hold guards itself
	pools  map[cloudprovider.PoolID]*poolMemory
	shapes map[string]remembered[shape]
	images map[string]remembered[string] // image OCID → name
	// flights are questions under way that others may wait for, see together.
	flights singleflight.Group
	// inventories are by compartment, computeAge is how old one may be.
	inventories map[string]*inventory
	computeAge  time.Duration
	turnstiles  [services]turnstile
	options     remembered[containerengine.NodePoolOptions]
	control     remembered[control]
	virtual     remembered[[]cloudprovider.NodePool]
	plans       map[string]*plans // by compartment
	// plansAge is how old the list of plans may be, consolePause between two looks at
	// a capture; fields for tests.
	plansAge, consolePause time.Duration
	prices                 func() Prices
}

var (
	_ cloudprovider.Provider = (*Provider)(nil)
	_ cloudprovider.Replacer = (*Provider)(nil)
	_ cloudprovider.Releaser = (*Provider)(nil)
)

// remembered is a value that was read, and when.
type remembered[T any] struct {
	value T
	at    time.Time
}

func (r remembered[T]) younger(than time.Duration) bool {
	return !r.at.IsZero() && time.Since(r.at) < than
}

// New makes a driver. It reads the configuration and the key and says what is
// wrong with them. With a key it makes no call, so that a wrong key or an
// endpoint that is away shows with the first one; principals ask the metadata
// service or the cluster for a token, half a minute at most.
func New(ctx context.Context, o Options) (*Provider, error) {
	if o.Env == nil {
		o.Env = os.Getenv
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	who, err := authenticate(ctx, o)
	if err != nil {
		return nil, err
	}
	p := &Provider{
		compartment: o.CompartmentID, cluster: o.ClusterID, who: who, log: o.Log, random: o.Random, metrics: newMetrics(),
		readPolicy: readPolicy, writePolicy: writePolicy, computeAge: inventoryAge, plansAge: plansAge, consolePause: consolePause, prices: o.Prices,
		pools: map[cloudprovider.PoolID]*poolMemory{}, shapes: map[string]remembered[shape]{}, images: map[string]remembered[string]{},
	}
	if p.log == nil {
		p.log = slog.Default()
	}
	if p.random == nil {
		p.random = rand.Float64
	}
	if err := p.connect(who.config, o); err != nil {
		return nil, err
	}
	return p, nil
}

// check refuses what can be known to be wrong without a call.
func (o Options) check() error {
	if o.CompartmentID == "" || o.ClusterID == "" {
		return fmt.Errorf("make oke driver: %w: name the cluster's OCID and the compartment of its node pools", cloudprovider.ErrInvalid)
	}
	if err := checkOCID("cluster", o.ClusterID, "cluster"); err != nil {
		return err
	}
	if err := checkOCID("compartment", o.CompartmentID, "compartment", "tenancy"); err != nil {
		return err
	}
	for _, e := range []string{o.Endpoint, o.ContainerEngineEndpoint, o.ComputeEndpoint} {
		if err := checkEndpoint(e); err != nil {
			return err
		}
	}
	return nil
}

// connect makes the clients: no retries, no breaker, no surprises.
func (p *Provider) connect(config common.ConfigurationProvider, o Options) error {
	var err error
	for _, c := range []*containerengine.ContainerEngineClient{&p.reads, &p.writes} {
		if *c, err = containerengine.NewContainerEngineClientWithConfigurationProvider(config); err != nil {
			return fmt.Errorf("make container engine client: %w", err)
		}
		if err := settle(&c.BaseClient, o, o.ContainerEngineEndpoint); err != nil {
			return err
		}
	}
	if p.compute, err = core.NewComputeClientWithConfigurationProvider(config); err != nil {
		return fmt.Errorf("make compute client: %w", err)
	}
	if err := settle(&p.compute.BaseClient, o, o.ComputeEndpoint); err != nil {
		return err
	}
	p.compute.HTTPClient = clocked{p.compute.HTTPClient, &p.clock}
	if p.network, err = core.NewVirtualNetworkClientWithConfigurationProvider(config); err != nil {
		return fmt.Errorf("make network client: %w", err)
	}
	if err := settle(&p.network.BaseClient, o, o.ComputeEndpoint); err != nil { // the same host
		return err
	}
	if p.limits, err = limits.NewLimitsClientWithConfigurationProvider(config); err != nil {
		return fmt.Errorf("make limits client: %w", err)
	}
	return settle(&p.limits.BaseClient, o, "")
}

// settle turns off what the SDK would do on its own; see doc.go.
func settle(c *common.BaseClient, o Options, endpoint string) error {
	once := common.NoRetryPolicy()
	// The SDK's own way looks for a window of eventual consistency, which is about its
	// retries, and writes a line of debug about it, with a dump of the stack.
	once.DeterminePolicyToUse = func(same common.RetryPolicy) (common.RetryPolicy, *time.Time, float64) { return same, nil, 1 }
	c.SetCustomClientConfiguration(common.CustomClientConfiguration{RetryPolicy: &once})
	if endpoint == "" {
		endpoint = o.Endpoint
	}
	if endpoint != "" {
		c.Host = strings.TrimSuffix(endpoint, "/")
	}
	next := o.HTTPClient
	if next == nil {
		client, err := newHTTPClient(o)
		if err != nil {
			return err
		}
		next = client
	}
	c.HTTPClient = dispatcher{next, o.Guard}
	if o.Signer != nil {
		c.Signer = o.Signer
	}
	return nil
}
