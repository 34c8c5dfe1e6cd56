package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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
)

// ociFlags say how to reach the cloud.
type ociFlags struct {
	config, profile, region, endpoint, compartment, cluster string
}

func (o *ociFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.config, "oci-config", env("", "TIDEMILL_OCI_CONFIG", "OCI_CLI_CONFIG_FILE", "OCI_CONFIG_FILE"), "OCI config `file` with the API key (default: ~/.oci/config; env TIDEMILL_OCI_CONFIG, OCI_CLI_CONFIG_FILE, OCI_CONFIG_FILE)")
	f.StringVar(&o.profile, "oci-profile", env("DEFAULT", "TIDEMILL_OCI_PROFILE", "OCI_CLI_PROFILE"), "profile in the OCI config (env TIDEMILL_OCI_PROFILE, OCI_CLI_PROFILE)")
	f.StringVar(&o.region, "oci-region", env("", "TIDEMILL_OCI_REGION", "OCI_REGION"), "region instead of the profile's (env TIDEMILL_OCI_REGION, OCI_REGION)")
	f.StringVar(&o.endpoint, "oci-endpoint", env("", "TIDEMILL_OCI_ENDPOINT"), "`URL` of the OCI endpoints instead of the region's own (env TIDEMILL_OCI_ENDPOINT)")
	f.StringVar(&o.compartment, "compartment-id", env("", "TIDEMILL_COMPARTMENT_ID", "OCI_COMPARTMENT_ID"), "`OCID` of the node pools' compartment (env TIDEMILL_COMPARTMENT_ID, OCI_COMPARTMENT_ID)")
	f.StringVar(&o.cluster, "cluster-id", env("", "TIDEMILL_CLUSTER_ID", "OCI_CLUSTER_ID"), "`OCID` of the OKE cluster (env TIDEMILL_CLUSTER_ID, OCI_CLUSTER_ID)")
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

// provider opens the cloud. Nothing is asked of it yet.
func (o *ociFlags) provider(ctx context.Context, log *slog.Logger) (cloudprovider.Provider, error) {
	if err := o.missing(); err != nil {
		return nil, err
	}
	p, err := oke.New(ctx, oke.Options{
		ConfigFile: o.config, Profile: o.profile, Region: o.region, Endpoint: o.endpoint,
		CompartmentID: o.compartment, ClusterID: o.cluster, Log: log,
	})
	if err != nil {
		return nil, blind(err, "--oci-config and --oci-profile name the file and the section with user, fingerprint, tenancy, region and key_file")
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

func open(ctx context.Context, config *rest.Config) (*cluster, error) {
	c := &cluster{config: config, server: config.Host}
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
	return c, c.installed(ctx)
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
