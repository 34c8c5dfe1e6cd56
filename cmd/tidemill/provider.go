package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc"
	"github.com/tidemill/tidemill/internal/kube"
)

const providerLong = `Serve the node pools of an OKE cluster to the stock cluster-autoscaler, which is
then started with --cloud-provider=externalgrpc and --cloud-config=FILE. The
content of FILE is printed to stdout when the plugin starts.

Pools are chosen in the words of cluster-autoscaler (--nodes and
--node-group-auto-discovery), or with --pools: each whose Pool object has
spec.scale, or whose tags minSize and maxSize are set. What cluster-autoscaler
reads is answered from memory, which is renewed each --cloud-refresh.

With access to the API server the plugin refuses to delete what tidemill turns
over or repairs, and knows more of new nodes; --no-cluster does without.`

const providerExample = `  # beside cluster-autoscaler in one pod
  %[1]s provider --listen unix:///run/tidemill/plugin.sock --nodes 1:10:ocid1.nodepool.oc1...
  # the pools with a tag, over the network
  %[1]s provider --listen 0.0.0.0:8086 --cert tls.crt --key tls.key --cacert ca.crt \
    --node-group-auto-discovery clusterId:ocid1.cluster...,compartmentId:ocid1.compartment...,nodepoolTags:scale=yes,min:0,max:20`

// providerFlags are the plugin's.
type providerFlags struct {
	door      externalgrpc.Door
	nodes     []string
	discovery []string
	pools     bool
	refresh   time.Duration
	metrics   string
	gpuLabel  string
	noCluster bool
}

func newProvider(g *globals) *cobra.Command {
	var f providerFlags
	cmd := &cobra.Command{
		Use: "provider", Short: "serve the stock cluster-autoscaler as its cloud provider", Long: providerLong,
		Example: fmt.Sprintf(providerExample, g.name), Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.plugin(cmd.Context(), f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *providerFlags) register(s *pflag.FlagSet) {
	s.StringVar(&f.door.Address, "listen", "127.0.0.1:8086", "`address` to serve on: host:port or unix:///path")
	s.StringVar(&f.door.Cert, "cert", "", "`file` with the server's certificate, PEM; needed off this machine")
	s.StringVar(&f.door.Key, "key", "", "`file` with its key")
	s.StringVar(&f.door.CACert, "cacert", "", "`file` with the authority of the clients' certificates")
	s.StringArrayVar(&f.nodes, "nodes", nil, "a pool to serve, `min:max:OCID`; may be repeated")
	s.StringArrayVar(&f.discovery, "node-group-auto-discovery", nil, "`rule` to find pools by their tags: clusterId:..,compartmentId:..,nodepoolTags:k=v&ns.k=v,min:..,max:..; may be repeated")
	s.BoolVar(&f.pools, "pools", false, "serve each pool whose Pool object has spec.scale, or that has the tags minSize and maxSize")
	s.DurationVar(&f.refresh, "cloud-refresh", envDuration(30*time.Second, "OCI_REFRESH_INTERVAL"), "how often OKE is looked at (env OCI_REFRESH_INTERVAL)")
	s.StringVar(&f.metrics, "metrics-addr", "127.0.0.1:8087", "where /metrics and /healthz are served; 0 for nowhere")
	s.StringVar(&f.gpuLabel, "gpu-label", "nvidia.com/gpu.product", "label by which cluster-autoscaler knows a node with GPUs; empty for none")
	s.BoolVar(&f.noCluster, "no-cluster", false, "do without the API server: no Pool objects, no marks, no learning from nodes")
}

// selection reads what is to be served, and takes the cluster from a discovery
// rule where no flag names it.
func (f *providerFlags) selection(o *ociFlags) (externalgrpc.Selection, error) {
	s := externalgrpc.Selection{Nodes: map[cloudprovider.PoolID]externalgrpc.Bounds{}, Pools: f.pools}
	for _, text := range f.nodes {
		id, b, err := externalgrpc.ParseNodes(text)
		if err != nil {
			return s, usage(err, "for example --nodes 1:10:ocid1.nodepool.oc1.iad.aaaa...")
		}
		s.Nodes[id] = b
	}
	for _, text := range f.discovery {
		d, err := externalgrpc.ParseDiscovery(text)
		if err != nil {
			return s, usage(err)
		}
		if err := o.adopt(d); err != nil {
			return s, err
		}
		s.Discover = append(s.Discover, d)
	}
	if s.Empty() {
		return s, usage(errors.New("no pools are chosen"), "choose them with --nodes, --node-group-auto-discovery or --pools")
	}
	if f.refresh < time.Second {
		return s, usage(fmt.Errorf("--cloud-refresh %s is too short", f.refresh), "1s or more; 30s is usual")
	}
	return s, nil
}

// adopt takes cluster and compartment from a discovery rule. One plugin serves
// one cluster.
func (o *ociFlags) adopt(d externalgrpc.Discovery) error {
	for _, c := range []struct {
		name, rule string
		flag       *string
	}{{"clusterId", d.Cluster, &o.cluster}, {"compartmentId", d.Compartment, &o.compartment}} {
		switch {
		case c.rule == "":
		case *c.flag == "":
			*c.flag = c.rule
		case *c.flag != c.rule:
			return usage(fmt.Errorf("%s %s of --node-group-auto-discovery is not %s", c.name, c.rule, *c.flag), "one plugin serves the pools of one cluster")
		}
	}
	return nil
}

// plugin serves until ctx ends.
func (g *globals) plugin(ctx context.Context, f providerFlags) error {
	selection, err := f.selection(&g.oci)
	if err != nil {
		return err
	}
	log, err := g.logger(g.stderr)
	if err != nil {
		return err
	}
	routeLogs(log)
	g.oci.discover(ctx, log)
	if err := g.oci.missing(); err != nil {
		return err
	}
	// The door before the cloud: a mistake in the flags is told at once.
	listener, err := f.door.Listen(ctx)
	if err != nil {
		return usage(err)
	}
	defer listener.Close()
	provider, err := g.oci.provider(ctx, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cluster, err := g.pluginCluster(ctx, f)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(buildInfo(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	fleet := cloudprovider.NewFleet(provider, cloudprovider.FleetOptions{OnWrite: logWrites(log)})
	if err := fleet.Register(registry); err != nil {
		return err
	}
	p, err := externalgrpc.New(externalgrpc.Options{
		Fleet: fleet, Selection: selection, Cluster: cluster, Interval: f.refresh, GPULabel: f.gpuLabel, Log: log, Registerer: registry,
	})
	if err != nil {
		return err
	}
	if err := serveMetrics(ctx, f.metrics, registry, p.Ready, log); err != nil {
		return err
	}
	fmt.Fprint(g.stdout, f.door.CloudConfig())
	return p.Serve(ctx, listener, f.door)
}

// pluginCluster opens the way to the API server, with a cache of what is listed
// at each look.
func (g *globals) pluginCluster(ctx context.Context, f providerFlags) (*externalgrpc.Cluster, error) {
	if f.noCluster {
		return nil, nil
	}
	config, err := g.restConfig(kube.ConfigOptions{})
	if err != nil {
		return nil, err
	}
	c, err := open(ctx, config)
	if err != nil {
		return nil, err
	}
	g.oci.book.from(c.client)
	// managedFields are half the size of an object and nobody reads them.
	reader, err := cache.New(config, cache.Options{Scheme: c.client.Scheme(), DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return nil, blind(fmt.Errorf("open cache of %s: %w", c.server, err))
	}
	if _, err := reader.GetInformer(ctx, &corev1.Node{}); err != nil {
		return nil, blind(fmt.Errorf("watch nodes: %w", err))
	}
	if _, err := reader.GetInformer(ctx, &v1alpha1.Pool{}); err != nil {
		return nil, blind(fmt.Errorf("watch pools: %w", err))
	}
	go func() { _ = reader.Start(ctx) }() // it ends with ctx and has no other error
	if !reader.WaitForCacheSync(ctx) {
		return nil, blind(fmt.Errorf("read nodes and pools of %s: %w", c.server, context.Cause(ctx)))
	}
	return &externalgrpc.Cluster{Reader: reader, Client: c.client, GPULabel: f.gpuLabel}, nil
}

// serveMetrics serves until ctx ends; healthy is whether calls can be answered.
func serveMetrics(ctx context.Context, address string, r *prometheus.Registry, healthy func() bool, log *slog.Logger) error {
	if address == "0" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return usage(fmt.Errorf("serve metrics: %w", err), "is another process listening there? --metrics-addr 0 serves none")
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !healthy() {
			http.Error(w, "the cloud has not been read yet", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "error", err)
		}
	}()
	return nil
}
