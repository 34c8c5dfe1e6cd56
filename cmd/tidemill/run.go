package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/lean"
)

// runFlags are the daemon's.
type runFlags struct {
	interval, refresh time.Duration
	scale             scaleFlags
	dryRun            bool
	kubelets          string

	metricsAddress, healthAddress string
	metricsSecure                 bool
	metricsCerts, debugAddress    string

	elect                         bool
	namespace                     string
	lease, renewDeadline, retries time.Duration
}

const runLong = `Run is the daemon. It mirrors the node pools of OKE as Pool objects, and for
the pools that opted in it scales, cycles and repairs.

Several replicas may run: one leads, the others wait with warm caches. Nothing
is kept on disk; whoever leads next goes on from what the cluster shows.

With --dry-run every write to the cluster is sent as a dry run and none to OKE,
and nobody's leadership is taken: a second opinion beside a running daemon.`

const runExample = `  # on a workstation, with the API key of ~/.oci/config
  %[1]s run --compartment-id ocid1.compartment... --cluster-id ocid1.cluster...
  # in a cluster, metrics for authorized readers only
  %[1]s run --log-format json --metrics-address :8443 --metrics-secure --health-address :8081`

func newRun(g *globals) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run", Short: "the daemon: mirror, scale, cycle and repair", Long: runLong,
		Example: fmt.Sprintf(runExample, g.name), Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.daemon(cmd.Context(), f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *runFlags) register(s *pflag.FlagSet) {
	s.DurationVar(&f.interval, "interval", 10*time.Second, "longest wait between two looks of a loop; events end it early")
	s.DurationVar(&f.refresh, "cloud-refresh", envDuration(5*time.Second, "OCI_REFRESH_INTERVAL"), "how long a look at OKE may serve all loops before it is asked again")
	f.scale.register(s)
	s.BoolVar(&f.dryRun, "dry-run", false, "decide and say, but change nothing in the cluster or in OKE")
	s.StringVar(&f.kubelets, "doctor-kubelets", "off", "ask kubelets themselves, in turn: off, direct (manifests/overlays/doctor-kubelets has the rights for it) or proxy")
	s.StringVar(&f.metricsAddress, "metrics-address", "127.0.0.1:8080", "where /metrics is served; 0 for nowhere")
	s.BoolVar(&f.metricsSecure, "metrics-secure", false, "serve /metrics over TLS to those whom the API server authorizes for it")
	s.StringVar(&f.metricsCerts, "metrics-certs", "", "`directory` of tls.crt and tls.key for --metrics-secure (default: self-signed)")
	s.StringVar(&f.healthAddress, "health-address", "127.0.0.1:8081", "where /healthz and /readyz are served; 0 for nowhere")
	s.StringVar(&f.debugAddress, "debug-address", "0", "where /debug/pprof is served, on the loopback interface only; 0 for nowhere")
	s.BoolVar(&f.elect, "leader-elect", true, "act only while holding the Lease tidemill")
	s.StringVar(&f.namespace, "namespace", ownNamespace(), "namespace of the Lease")
	s.DurationVar(&f.lease, "leader-elect-lease-duration", 15*time.Second, "how long a silent leader is waited for")
	s.DurationVar(&f.renewDeadline, "leader-elect-renew-deadline", 10*time.Second, "how long a leader tries to renew before it gives up")
	s.DurationVar(&f.retries, "leader-elect-retry-period", 2*time.Second, "wait between tries for the Lease")
}

// check refuses combinations that could not work.
func (f *runFlags) check() error {
	switch {
	case f.interval < 100*time.Millisecond:
		return usage(fmt.Errorf("--interval %s is too short", f.interval), "100ms or more; 10s is usual")
	case f.refresh < 0:
		return usage(fmt.Errorf("--cloud-refresh %s is negative", f.refresh))
	case f.elect && (f.lease <= f.renewDeadline || f.renewDeadline <= f.retries):
		return usage(fmt.Errorf("leader election needs lease duration > renew deadline > retry period, not %s, %s, %s", f.lease, f.renewDeadline, f.retries))
	case !slices.Contains([]string{"off", "direct", "proxy"}, f.kubelets):
		return usage(fmt.Errorf("--doctor-kubelets %q is none of off, direct, proxy", f.kubelets))
	case f.metricsCerts != "" && !f.metricsSecure:
		return usage(fmt.Errorf("--metrics-certs without --metrics-secure"))
	}
	return f.scale.check()
}

// ownNamespace is the pod's, or the one of manifests/ outside a cluster.
func ownNamespace() string {
	if v := env("", "POD_NAMESPACE"); v != "" {
		return v
	}
	if b, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace"); err == nil {
		return strings.TrimSpace(string(b))
	}
	return "tidemill-system"
}

// daemon runs until ctx ends, which is a clean end, or leadership is lost.
func (g *globals) daemon(ctx context.Context, f runFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	log, err := g.logger(g.stderr)
	if err != nil {
		return err
	}
	routeLogs(log)
	fitMemory(log, cgroupLimits)
	options, others := kube.ConfigOptions{}, &neighbours{own: f.namespace, every: f.lease, log: log}
	switch {
	case f.dryRun:
		options.Wrap = kube.DryRun
		f.elect = false
	case f.elect:
		fence := kube.NewFence(kube.FenceOptions{Namespace: f.namespace, Lease: leaseName, Valid: f.renewDeadline, Also: others.Check})
		options.Wrap, g.oci.guard = fence.Wrap, fence.Send
	}
	if err := serveDebug(ctx, f.debugAddress, log); err != nil {
		return err
	}
	provider, err := g.oci.provider(ctx, log)
	if err != nil {
		return err
	}
	config, err := g.restConfig(options)
	if err != nil {
		return err
	}
	c, err := open(ctx, config)
	if err != nil {
		return err
	}
	g.oci.book.from(c.client)
	log.Info("starting", "version", thisBuild().Version, "server", c.server, "serverVersion", c.version, "cluster", g.oci.cluster, "dryRun", f.dryRun)
	fleet := cloudprovider.NewFleet(provider, cloudprovider.FleetOptions{
		DryRun: f.dryRun, Refresh: f.refresh, OnWrite: logWrites(log), Random: rand.Float64,
	})
	if err := fleet.Register(ctrlmetrics.Registry); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if others.client = c.client; f.elect {
		if err := meet(ctx, c.client, f.namespace, thisBuild().Version, log); err != nil {
			return err
		}
	}
	return serve(ctx, c, fleet, f, others, log)
}

// serve builds the manager and everything that runs in it.
func serve(ctx context.Context, c *cluster, fleet *cloudprovider.Fleet, f runFlags, others *neighbours, log *slog.Logger) error {
	rights, err := openCharter(ctx, c, f, log)
	if err != nil {
		return err
	}
	pantry := lean.NewPantry()
	mgr, err := newManager(c, rights, f, pantry, log)
	if err != nil {
		return err
	}
	w, err := watch(ctx, mgr.GetCache())
	if err != nil {
		return err
	}
	observer := &world.Observer{Clock: c.clock, Reader: mgr.GetCache(), Fleet: fleet, ControlPlane: c.controlPlane().version, Informer: podsOf(ctx, mgr.GetCache())}
	observer.Devices = (&watchedDevices{live: c.client, cache: mgr.GetCache()}).read
	loops, err := newLoops(mgr, observer, fleet, w, f, log)
	if err != nil {
		return err
	}
	for _, l := range loops {
		if err := mgr.Add(l); err != nil {
			return fmt.Errorf("add loop %s: %w", l.name, err)
		}
	}
	if err := mgr.Add(tidy{mgr.GetCache().WaitForCacheSync, observer.Pods, pantry}); err != nil {
		return fmt.Errorf("add tidying: %w", err)
	}
	if err := mgr.Add(&leading{log: log, gauge: leaderGauge()}); err != nil {
		return fmt.Errorf("add leader gauge: %w", err)
	}
	if f.elect {
		if err := mgr.Add(others); err != nil {
			return fmt.Errorf("add the look at other installations: %w", err)
		}
	}
	if err := mgr.Start(ctx); err != nil {
		if said := (*failure)(nil); errors.As(err, &said) {
			return err
		}
		return &failure{exitNo, fmt.Errorf("run: %w", err), []string{"nothing is lost: whoever starts or leads next goes on from what the cluster shows"}}
	}
	log.Info("stopped")
	return nil
}

// logWrites tells each change asked of the cloud: the audit line.
func logWrites(log *slog.Logger) func(cloudprovider.Write) {
	return func(w cloudprovider.Write) {
		level := slog.LevelInfo
		if w.Err != nil {
			level = slog.LevelWarn
		}
		args := []any{"op", w.Op, "pool", string(w.Pool), "dryRun", w.DryRun}
		switch w.Op {
		case "Resize":
			args = append(args, "from", w.From, "to", w.To)
		case "SetRelease":
			args = append(args, "release", w.Release.String())
		default:
			args = append(args, "instances", w.IDs)
		}
		if w.Err != nil {
			args = append(args, "error", w.Err)
		}
		log.Log(context.Background(), level, "cloud write", args...)
	}
}
