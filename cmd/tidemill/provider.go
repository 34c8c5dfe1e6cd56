package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/expander"
)

const providerLong = `Serve the node pools of an OKE cluster to the stock cluster-autoscaler, which is
then started with --cloud-provider=externalgrpc and --cloud-config=FILE. The
content of FILE is printed to stdout when the plugin starts.

Pools are chosen in the words of cluster-autoscaler (--nodes and
--node-group-auto-discovery), or with --pools: each whose Pool object has
spec.scale, or whose tags minSize and maxSize are set. What cluster-autoscaler
reads is answered from memory, which is renewed each --cloud-refresh.

With --expander-listen it also serves an expander, for --expander=grpc of
cluster-autoscaler, whose own OCI provider can use it as well; without pools the
expander is all that is served.

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
	expander  expanderFlags
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
	f.expander.register(s)
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
		if before, twice := s.Nodes[id]; twice && before != b {
			return s, usage(fmt.Errorf("--nodes names %s twice, as %d:%d and as %d:%d", id, before.Min, before.Max, b.Min, b.Max), "one pool has one minimum and one maximum")
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
		for _, before := range s.Discover {
			if maps.Equal(before.Tags, d.Tags) && before.Bounds != d.Bounds {
				return s, usage(fmt.Errorf("two rules of --node-group-auto-discovery find the same pools, with %d:%d and with %d:%d", before.Bounds.Min, before.Bounds.Max, d.Bounds.Min, d.Bounds.Max), "one pool has one minimum and one maximum")
			}
		}
		s.Discover = append(s.Discover, d)
	}
	if s.Empty() && !f.expander.on() {
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
	beSmall()
	g.oci.discover(ctx, log)
	if err := g.oci.missing(); err != nil {
		return err
	}
	s := &pluginServers{globals: g, flags: f, selection: selection, log: log, registry: prometheus.NewRegistry()}
	// The door before the cloud: a mistake in the flags is told at once.
	if !selection.Empty() {
		if s.listener, err = f.door.Listen(ctx); err != nil {
			return usage(err)
		}
		defer s.listener.Close()
	}
	provider, err := g.oci.provider(ctx, log)
	if err != nil {
		return err
	}
	s.registry.MustRegister(processMetrics()...)
	s.fleet = cloudprovider.NewFleet(provider, cloudprovider.FleetOptions{OnWrite: logWrites(log)})
	if err := s.fleet.Register(s.registry); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return s.run(ctx, cancel)
}

// beSmall makes the collector work harder, unless the environment says how hard:
// the plugin's data is small and lives long, and what it answers with is garbage
// a moment later.
func beSmall() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
}

// pluginServers are what the command serves: the plugin, the expander, or both.
type pluginServers struct {
	*globals
	flags     providerFlags
	selection externalgrpc.Selection
	log       *slog.Logger
	registry  *prometheus.Registry
	fleet     *cloudprovider.Fleet
	listener  net.Listener // the plugin's; nil without one
}

// run serves until ctx ends, or one of the servers does.
func (s *pluginServers) run(ctx context.Context, cancel context.CancelFunc) error {
	cluster, err := s.pluginCluster(ctx, s.flags)
	if err != nil {
		return err
	}
	o := externalgrpc.Options{
		Fleet: s.fleet, Selection: s.selection, Cluster: cluster, Interval: s.flags.refresh, GPULabel: s.flags.gpuLabel, Log: s.log, Registerer: s.registry,
	}
	var serve []func() error
	ready := func() bool { return true }
	if s.flags.expander.on() {
		e, l, err := s.openExpander(ctx, cluster)
		if err != nil {
			return err
		}
		defer l.Close()
		o.Looked = e.Look
		if s.listener == nil {
			serve = append(serve, func() error { return e.Run(ctx, s.fleet, s.flags.refresh) })
		}
		serve = append(serve, func() error { return e.Serve(ctx, l, s.flags.expander.cert, s.flags.expander.key) })
	}
	if s.listener != nil {
		p, err := externalgrpc.New(o)
		if err != nil {
			return err
		}
		ready = p.Ready
		fmt.Fprint(s.stdout, s.flags.door.CloudConfig())
		serve = append(serve, func() error { return p.Serve(ctx, s.listener, s.flags.door) })
	}
	if err := serveMetrics(ctx, s.flags.metrics, s.registry, ready, s.log); err != nil {
		return err
	}
	ended := make(chan error, len(serve))
	for _, f := range serve {
		go func() { ended <- f() }()
	}
	var errs []error
	for range serve {
		errs = append(errs, <-ended)
		cancel() // one without the other is not what was asked for
	}
	return errors.Join(errs...)
}

func (s *pluginServers) openExpander(ctx context.Context, cluster *externalgrpc.Cluster) (*expander.Expander, net.Listener, error) {
	f := &s.flags.expander
	if f.cert == "" && f.key == "" {
		f.cert, f.key = s.flags.door.Cert, s.flags.door.Key
	}
	var reader client.Reader
	if cluster != nil {
		reader = cluster.Client
	}
	return f.open(ctx, reader, s.registry, s.log)
}
