package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/meta"
	apiversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/oke"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/skew"
)

// ociFlags say how to reach the cloud.
type ociFlags struct {
	config, profile, region, endpoint, compartment, cluster string
	auth, containerEngine, compute, bundle                  string

	prices string     // the ConfigMap's namespace/name
	book   *priceBook // once there is a provider

	guard oke.Guard // of the daemon: each write goes through it
}

func (o *ociFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.config, "oci-config", env("", "TIDEMILL_OCI_CONFIG", "OCI_CLI_CONFIG_FILE", "OCI_CONFIG_FILE"), "OCI config `file` with the API key (default: ~/.oci/config; env TIDEMILL_OCI_CONFIG, OCI_CLI_CONFIG_FILE, OCI_CONFIG_FILE)")
	f.StringVar(&o.profile, "oci-profile", env("DEFAULT", "TIDEMILL_OCI_PROFILE", "OCI_CLI_PROFILE"), "profile in the OCI config (env TIDEMILL_OCI_PROFILE, OCI_CLI_PROFILE)")
	f.StringVar(&o.auth, "oci-auth", env("auto", "TIDEMILL_OCI_AUTH", "OCI_CLI_AUTH"), "who to be: api_key, security_token, instance_principal, oke_workload_identity, resource_principal, or auto (env TIDEMILL_OCI_AUTH, OCI_CLI_AUTH, OCI_USE_WORKLOAD_IDENTITY, OCI_USE_INSTANCE_PRINCIPAL)")
	f.StringVar(&o.region, "oci-region", env("", "TIDEMILL_OCI_REGION", "OCI_CLI_REGION", "OCI_REGION"), "region instead of the profile's (env TIDEMILL_OCI_REGION, OCI_CLI_REGION, OCI_REGION)")
	f.StringVar(&o.endpoint, "oci-endpoint", env("", "TIDEMILL_OCI_ENDPOINT"), "`URL` of the OCI endpoints instead of the region's own (env TIDEMILL_OCI_ENDPOINT)")
	f.StringVar(&o.containerEngine, "oci-containerengine-endpoint", env("", "TIDEMILL_OCI_CONTAINERENGINE_ENDPOINT", "OKE_HOST_OVERRIDE"), "`URL` of Container Engine's endpoint alone (env TIDEMILL_OCI_CONTAINERENGINE_ENDPOINT, OKE_HOST_OVERRIDE)")
	f.StringVar(&o.compute, "oci-compute-endpoint", env("", "TIDEMILL_OCI_COMPUTE_ENDPOINT"), "`URL` of Compute's endpoint alone (env TIDEMILL_OCI_COMPUTE_ENDPOINT)")
	f.StringVar(&o.bundle, "oci-ca-bundle", env("", "TIDEMILL_OCI_CA_BUNDLE", "OCI_CLI_CERT_BUNDLE", "OCI_DEFAULT_CERTS_PATH"), "`file` of authorities to trust beside the system's, PEM (env TIDEMILL_OCI_CA_BUNDLE, OCI_CLI_CERT_BUNDLE, OCI_DEFAULT_CERTS_PATH)")
	f.StringVar(&o.compartment, "compartment-id", env("", "TIDEMILL_COMPARTMENT_ID", "OCI_COMPARTMENT_ID"), "`OCID` of the node pools' compartment (default: found out on an OKE node; env TIDEMILL_COMPARTMENT_ID, OCI_COMPARTMENT_ID)")
	f.StringVar(&o.cluster, "cluster-id", env("", "TIDEMILL_CLUSTER_ID", "OCI_CLUSTER_ID"), "`OCID` of the OKE cluster (default: found out on an OKE node; env TIDEMILL_CLUSTER_ID, OCI_CLUSTER_ID)")
	f.StringVar(&o.prices, "prices", env(ownNamespace()+"/tidemill-prices", "TIDEMILL_PRICES"), "`namespace/name` of a ConfigMap with prices over the shipped ones, if there is one (env TIDEMILL_PRICES)")
}

// envDuration is the first variable that holds a duration, or the fallback. What
// cannot be read is left to the flag: a typo there is refused with a hint.
func envDuration(fallback time.Duration, names ...string) time.Duration {
	for _, name := range names {
		if d, err := time.ParseDuration(os.Getenv(name)); err == nil && d > 0 {
			return d
		}
	}
	return fallback
}

// missing names the flags without which the cloud cannot be asked.
func (o *ociFlags) missing() error {
	var names []string
	if o.compartment == "" {
		names = append(names, "--compartment-id")
	}
	if o.cluster == "" {
		names = append(names, "--cluster-id")
	}
	if len(names) == 0 {
		return nil
	}
	return usage(fmt.Errorf("%s not given", strings.Join(names, " and ")),
		"both are on the cluster's page in the OCI console, and in: oci ce cluster list --compartment-id ...")
}

// discover asks the machine for what no flag has told: a pod on an OKE node has
// its cluster, compartment and region in the instance's metadata. Without a
// metadata service the flags stay as they are, and missing says what they lack.
func (o *ociFlags) discover(ctx context.Context, log *slog.Logger) {
	if o.compartment != "" && o.cluster != "" || !o.inCloud() {
		return
	}
	here, err := oke.Discover(ctx, os.Getenv)
	if err != nil {
		log.Debug("cluster and compartment are not told by the machine", "error", err)
		return
	}
	for _, c := range []struct {
		flag  *string
		value string
	}{{&o.compartment, here.CompartmentID}, {&o.cluster, here.ClusterID}, {&o.region, here.Region}} {
		if *c.flag == "" {
			*c.flag = c.value
		}
	}
	log.Info("the machine tells its cluster", "cluster", o.cluster, "compartment", o.compartment, "region", o.region)
}

// inCloud is whether asking the machine makes sense: on a workstation the
// address of the metadata service is nobody's, and asking it takes seconds.
func (o *ociFlags) inCloud() bool {
	if a, err := oke.ParseAuth(o.auth); err == nil && (a == oke.InstancePrincipal || a == oke.WorkloadIdentity) {
		return true
	}
	a, _ := oke.ChooseAuth(os.Getenv)
	return a == oke.InstancePrincipal || a == oke.WorkloadIdentity || env("", "KUBERNETES_SERVICE_HOST", "OCI_METADATA_BASE_URL") != ""
}

// provider opens the cloud. Nothing is asked of it yet, except a token where
// there is no key.
func (o *ociFlags) provider(ctx context.Context, log *slog.Logger) (cloudprovider.Provider, error) {
	o.discover(ctx, log)
	if err := o.missing(); err != nil {
		return nil, err
	}
	who, err := oke.ParseAuth(o.auth)
	if err != nil {
		return nil, usage(err)
	}
	if o.book, err = openPrices(o.prices, log); err != nil {
		return nil, err
	}
	p, err := oke.New(ctx, oke.Options{
		Auth: who, ConfigFile: o.config, Profile: o.profile, Region: o.region, CABundle: o.bundle,
		Endpoint: o.endpoint, ContainerEngineEndpoint: o.containerEngine, ComputeEndpoint: o.compute,
		CompartmentID: o.compartment, ClusterID: o.cluster, Log: log, Prices: o.book.now, Guard: o.guard,
	})
	if err != nil {
		return nil, blind(err, "--oci-auth says who to be; --oci-config and --oci-profile name the file and the section with user, fingerprint, tenancy, region and key_file")
	}
	return p, nil
}

// restConfig makes the one configuration that every call to the API server
// goes by.
func (g *globals) restConfig(o kube.ConfigOptions) (*rest.Config, error) {
	o.Kubeconfig, o.Context = g.kubeconfig, g.context
	o.UserAgent = "tidemill/" + thisBuild().Version
	c, err := kube.Config(o)
	if err != nil {
		return nil, blind(err)
	}
	return c, nil
}

// cluster is an open way to the API server: one that has answered.
type cluster struct {
	config  *rest.Config
	client  client.Client // live, nothing cached
	server  string        // its address
	version string        // its version, "v1.36.3"
	clock   *skew.Meter   // its clock
}

// answerWithin bounds how long a command waits for a first answer.
const answerWithin = 10 * time.Second

// connect opens the way and asks for the server's version, so that a server
// that cannot be reached is told before anything else is tried.
func (g *globals) connect(ctx context.Context) (*cluster, error) {
	quietLogs()
	config, err := g.restConfig(kube.ConfigOptions{})
	if err != nil {
		return nil, err
	}
	return open(ctx, config)
}

// reach is connect to a cluster that may never have heard of tidemill.
func (g *globals) reach(ctx context.Context) (*cluster, error) {
	quietLogs()
	config, err := g.restConfig(kube.ConfigOptions{})
	if err != nil {
		return nil, err
	}
	return dial(ctx, config)
}

// open is dial, to a cluster that knows Pools.
func open(ctx context.Context, config *rest.Config) (*cluster, error) {
	c, err := dial(ctx, config)
	if err != nil {
		return nil, err
	}
	return c, c.installed(ctx)
}

func dial(ctx context.Context, config *rest.Config) (*cluster, error) {
	c := &cluster{config: config, server: config.Host, clock: &skew.Meter{}}
	config.Wrap(c.clock.Wrap)
	if err := c.ask(ctx); err != nil {
		return nil, err
	}
	scheme, err := kube.NewScheme()
	if err != nil {
		return nil, err
	}
	if c.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, blind(fmt.Errorf("open API server %s: %w", c.server, err))
	}
	return c, nil
}

// ask is the first call: is anybody there?
func (c *cluster) ask(ctx context.Context) error {
	set, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return blind(fmt.Errorf("open API server %s: %w", c.server, err))
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	body, err := set.RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		f := classify(err)
		if f.code != exitBlind || errors.Is(err, context.DeadlineExceeded) {
			f.hints = []string{"is it a Kubernetes API server, and reachable from here? --kubeconfig and --context pick another"}
		}
		return blind(fmt.Errorf("reach API server %s: %w", c.server, err), f.hints...)
	}
	var v apiversion.Info
	if err := json.Unmarshal(body, &v); err != nil {
		return blind(fmt.Errorf("read version of API server %s: %w", c.server, err))
	}
	c.version = v.GitVersion
	return nil
}

// installed is whether the cluster knows Pools.
func (c *cluster) installed(ctx context.Context) error {
	var pools v1alpha1.PoolList
	switch err := c.client.List(ctx, &pools, client.Limit(1)); {
	case meta.IsNoMatchError(err):
		return blind(fmt.Errorf("the cluster at %s does not know the resource pools.tidemill.dev", c.server), "install it with: kubectl apply -k manifests")
	case err != nil:
		return fmt.Errorf("list pools: %w", err)
	}
	return nil
}
