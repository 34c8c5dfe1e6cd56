package oke

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Options say which cluster, as whom, and by what way.
type Options struct {
	// ConfigFile is an OCI configuration file; "" is ~/.oci/config. Profile is
	// its section; "" is DEFAULT.
	ConfigFile, Profile string
	// Region replaces the profile's region.
	Region string
	// Endpoint, scheme and host alone, replaces the region's endpoints of all
	// services.
	Endpoint string
	// CompartmentID is where the node pools are, ClusterID whose they are.
	CompartmentID, ClusterID string
	// HTTPClient sends the requests; nil is a client of the SDK for each of
	// reads, writes and Compute.
	HTTPClient common.HTTPRequestDispatcher
	// Prices is asked with each look at the pools; nil is ShippedPrices.
	Prices func() Prices
	// Random is uniform in [0,1) and spreads retries; nil is math/rand.
	Random func() float64
	// Log is slog.Default() if nil.
	Log *slog.Logger
}

// Provider is the driver. It implements cloudprovider's Provider, Replacer and
// Releaser.
type Provider struct {
	compartment, cluster string
	who                  string // whose credentials, for hints
	log                  *slog.Logger
	metrics              *metrics
	random               func() float64
	readPolicy           policy
	writePolicy          policy

	// Separate clients keep a pile of slow reads from standing before a write.
	reads, writes containerengine.ContainerEngineClient
	compute       core.ComputeClient

	mu      sync.Mutex // guards the maps; what they hold guards itself
	pools   map[cloudprovider.PoolID]*poolMemory
	shapes  map[string]remembered[shape]
	images  map[string]remembered[string] // image OCID → name
	options remembered[containerengine.NodePoolOptions]
	control remembered[control]
	virtual remembered[[]cloudprovider.NodePool]
	prices  func() Prices
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
// wrong with them; it makes no call, so that a wrong key or an endpoint that is
// away shows with the first one.
func New(_ context.Context, o Options) (*Provider, error) {
	if o.CompartmentID == "" || o.ClusterID == "" {
		return nil, fmt.Errorf("make oke driver: %w: name the cluster's OCID and the compartment of its node pools", cloudprovider.ErrInvalid)
	}
	if err := checkEndpoint(o.Endpoint); err != nil {
		return nil, err
	}
	config, who, err := credentials(o)
	if err != nil {
		return nil, err
	}
	p := &Provider{
		compartment: o.CompartmentID, cluster: o.ClusterID, who: who, log: o.Log, random: o.Random, metrics: newMetrics(),
		readPolicy: readPolicy, writePolicy: writePolicy, prices: o.Prices,
		pools: map[cloudprovider.PoolID]*poolMemory{}, shapes: map[string]remembered[shape]{}, images: map[string]remembered[string]{},
	}
	if p.log == nil {
		p.log = slog.Default()
	}
	if p.random == nil {
		p.random = rand.Float64
	}
	if err := p.connect(config, o); err != nil {
		return nil, err
	}
	return p, nil
}

func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || (u.Path != "" && u.Path != "/") || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("use endpoint %q: %w: it must be scheme and host alone, like https://127.0.0.1:8443", endpoint, cloudprovider.ErrInvalid)
	}
	return nil
}

// credentials reads the configuration file through, so that what is missing is
// said before the first call and by name. who is for hints.
func credentials(o Options) (config common.ConfigurationProvider, who string, err error) {
	file, profile := o.ConfigFile, o.Profile
	if profile == "" {
		profile = "DEFAULT"
	}
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, "", fmt.Errorf("find the OCI configuration: %w", err)
		}
		file = filepath.Join(home, ".oci", "config")
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("read OCI configuration: %w; name another file, or make one with `oci setup config`", err)
	}
	config, err = common.ConfigurationProviderFromFileWithProfile(file, profile, "")
	if err != nil {
		return nil, "", fmt.Errorf("read OCI configuration %s: %w", file, err)
	}
	if o.Region != "" {
		config = inRegion{config, o.Region}
	}
	for _, part := range []func() (string, error){config.TenancyOCID, config.UserOCID, config.KeyFingerprint, config.KeyID, config.Region} {
		if _, err := part(); err != nil {
			return nil, "", fmt.Errorf("read profile %s of OCI configuration %s: %w", profile, file, firstLine(err))
		}
	}
	if _, err := config.PrivateRSAKey(); err != nil {
		return nil, "", fmt.Errorf("read the API key of profile %s of OCI configuration %s: %w; key_file must be an RSA key in PEM form that this user may read",
			profile, file, firstLine(err))
	}
	user, _ := config.UserOCID()
	fingerprint, _ := config.KeyFingerprint()
	return config, fmt.Sprintf("user %s (fingerprint %s)", user, fingerprint), nil
}

// inRegion is a configuration with another region.
type inRegion struct {
	common.ConfigurationProvider
	region string
}

func (c inRegion) Region() (string, error) { return c.region, nil }

// connect makes the clients: no retries, no breaker, no surprises.
func (p *Provider) connect(config common.ConfigurationProvider, o Options) error {
	var err error
	for _, c := range []*containerengine.ContainerEngineClient{&p.reads, &p.writes} {
		if *c, err = containerengine.NewContainerEngineClientWithConfigurationProvider(config); err != nil {
			return fmt.Errorf("make container engine client: %w", err)
		}
		settle(&c.BaseClient, o)
	}
	if p.compute, err = core.NewComputeClientWithConfigurationProvider(config); err != nil {
		return fmt.Errorf("make compute client: %w", err)
	}
	settle(&p.compute.BaseClient, o)
	return nil
}

// settle turns off what the SDK would do on its own; see doc.go.
func settle(c *common.BaseClient, o Options) {
	once := common.NoRetryPolicy()
	c.SetCustomClientConfiguration(common.CustomClientConfiguration{RetryPolicy: &once})
	if o.Endpoint != "" {
		c.Host = o.Endpoint
	}
	if o.HTTPClient != nil {
		c.HTTPClient = o.HTTPClient
	}
	c.HTTPClient = dispatcher{c.HTTPClient}
}

// firstLine drops the SDK's pointer to its documentation.
func firstLine(err error) error {
	text := err.Error()
	for i, r := range text {
		if r == '\n' {
			return errors.New(text[:i])
		}
	}
	return err
}
