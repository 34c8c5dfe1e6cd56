package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/playground"
)

// Options choose a cluster and a daemon.
type Options struct {
	// Tidemill is the path of the binary under test.
	Tidemill string
	// Pools are the node pools to begin with; nil means the demo's three.
	Pools []okesim.Pool
	// Policies are what the daemon may do, by pool name; nil means [DemoPolicies].
	// A pool without one is mirrored and left alone.
	Policies map[string]v1alpha1.PoolSpec
	// Dir receives logs, the watcher's record and, as long as it runs, the cluster;
	// "" means the cluster's own directory, which goes when the cluster does.
	Dir string
	// Audit makes the API server write down what the daemon asks for, see
	// [Env.RightsUsed].
	Audit bool
	// MetricsAddress is where the daemon serves /metrics; "" for nowhere.
	MetricsAddress string
	// MetricsSecure serves them as the Deployment does: over TLS, to those who may.
	MetricsSecure bool
	// DebugAddress is where the daemon serves profiles of itself; "" for nowhere.
	DebugAddress string
	// EtcdDoor puts a door between the API server and etcd, for who makes it slow.
	EtcdDoor bool
	// NodeGrace is how long a Node may be silent; 0 means the playground's default.
	NodeGrace time.Duration
	// Crowded says that so much goes on at once that the daemon may be short of time:
	// its lease lasts longer, so that it is not lost for that alone.
	Crowded bool
	// Usual lets the daemon look as often as it does by default. A story has minutes
	// where a cluster has days, and hurries it; what a day costs is not seen so.
	Usual bool
	// Say, if set, is told what is going on while the cluster comes up.
	Say func(string)
}

// latency makes a machine a matter of about three seconds: long enough that
// launching and joining are states that stories meet.
var latency = okesim.Latency{Accept: 200 * time.Millisecond, Provision: 900 * time.Millisecond, Boot: 900 * time.Millisecond, Terminate: 900 * time.Millisecond}

// Env is a cluster with tidemill in it, and somebody who watches.
type Env struct {
	Cluster *playground.Cluster
	Sim     *okesim.Sim
	Client  client.Client // the administrator's
	Watcher *Watcher
	Daemon  *Daemon
	// Started is how long the cluster took until all its nodes were ready.
	Started time.Duration

	options Options
	dir     string

	hearts     sync.WaitGroup // of a crowd's Nodes
	stopHearts context.CancelFunc
}

// Open starts a cluster, installs tidemill's manifests, starts the daemon as its
// service account and waits until every pool is mirrored and has its policy. An
// Env that cannot be opened leaves nothing behind but the logs in Options.Dir.
func Open(ctx context.Context, o Options) (*Env, error) {
	e := &Env{options: o, dir: o.Dir}
	for _, step := range []struct {
		say string
		do  func(context.Context) error
	}{
		{"starting etcd, kube-apiserver, scheduler, controllers and OKE", e.startCluster},
		{"waiting for the first nodes", e.awaitNodes},
		{"installing the manifests", e.install},
		{"starting the daemon", e.startDaemon},
		{"opting the pools in", e.optIn},
	} {
		if o.Say != nil {
			o.Say(step.say)
		}
		if err := step.do(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("open environment: %w", err), e.Close())
		}
	}
	return e, nil
}

// Close ends the daemon, the watching and the cluster, and writes the record.
func (e *Env) Close() error {
	var failed []error
	if e.stopHearts != nil {
		e.stopHearts()
		e.hearts.Wait()
	}
	if e.Daemon != nil {
		failed = append(failed, e.Daemon.Stop())
	}
	if e.Watcher != nil {
		e.Watcher.Close()
		failed = append(failed, e.writeRecord())
	}
	if e.Cluster != nil {
		e.Cluster.Stop()
		if e.options.Dir != "" {
			failed = append(failed, os.RemoveAll(e.clusterDir()))
		}
	}
	return errors.Join(failed...)
}

// Dir is where the logs are.
func (e *Env) Dir() string { return e.dir }

// RecordPath is where Close writes every change that was seen.
func (e *Env) RecordPath() string { return filepath.Join(e.dir, "watcher.log") }

// clusterDir is the cluster's own part of the directory. It holds keys and a
// database, and goes also when the logs stay.
func (e *Env) clusterDir() string { return filepath.Join(e.options.Dir, "cluster") }

func (e *Env) writeRecord() error {
	f, err := os.Create(e.RecordPath())
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return errors.Join(e.Watcher.WriteRecord(f), f.Close())
}

func (e *Env) startCluster(ctx context.Context) (err error) {
	begin := time.Now()
	defer func() { e.Started = time.Since(begin) }()
	options := playground.Options{Pools: e.options.Pools, Latency: latency, NodeMonitorGrace: e.options.NodeGrace, EtcdDoor: e.options.EtcdDoor}
	if e.dir != "" {
		log, err := os.Create(filepath.Join(e.dir, "playground.log"))
		if err != nil {
			return fmt.Errorf("create log: %w", err)
		}
		options.Log, options.Dir = log, e.clusterDir()
		if e.options.Audit {
			options.Audit = &playground.Audit{Path: e.auditPath(), Users: []string{account}}
		}
	}
	if e.Cluster, err = playground.Start(ctx, options); err != nil {
		return err
	}
	if e.dir == "" {
		e.dir = e.Cluster.Dir()
	}
	e.Sim = e.Cluster.Sim()
	scheme, err := kube.NewScheme()
	if err != nil {
		return err
	}
	if e.Client, err = client.New(e.fastConfig(), client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	return nil
}

// awaitNodes waits until every machine of the pools is a ready Node.
func (e *Env) awaitNodes(ctx context.Context) error {
	begin := time.Now()
	defer func() { e.Started += time.Since(begin) }()
	want := 0
	for _, p := range e.Sim.Pools() {
		want += p.Size
	}
	patience := 2 * time.Minute
	if e.options.Crowded {
		patience = 5 * time.Minute
	}
	return Until(ctx, "the first nodes", patience, e.options.Say, func(ctx context.Context) (bool, string, error) {
		var nodes corev1.NodeList
		err := e.Client.List(ctx, &nodes)
		ready := 0
		for i := range nodes.Items {
			if viewNode(&nodes.Items[i]).Ready {
				ready++
			}
		}
		return ready == want, fmt.Sprintf("%d of %d first nodes are ready", ready, want), err
	})
}

func (e *Env) startDaemon(ctx context.Context) error {
	set, err := kubernetes.NewForConfig(e.fastConfig())
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	// The daemon's life is longer than the opening's context.
	if e.Watcher, err = Watch(context.WithoutCancel(ctx), set, e.Client, e.Sim); err != nil {
		return err
	}
	account, err := e.Cluster.ServiceAccountKubeconfig(ctx, namespace, serviceAccount)
	if err != nil {
		return err
	}
	e.Daemon = NewDaemon(e.options.Tidemill, e.dir, e.cloudEnv(), e.daemonArgs(account)...)
	return e.Daemon.Start()
}

// daemonArgs are short intervals: a story has minutes where a cluster has days.
func (e *Env) daemonArgs(kubeconfig string) []string {
	metrics := "0"
	if e.options.MetricsAddress != "" {
		metrics = e.options.MetricsAddress
	}
	// As by default. Less would make the daemon end whenever the machine is too busy
	// for a few seconds; who is killed is waited for as long.
	lease, renew := "15s", "10s"
	if e.options.Crowded {
		lease, renew = "40s", "30s"
	}
	pace := []string{"--interval", "1s", "--cloud-refresh", "500ms", "--scale-down-young", "5s"}
	if e.options.Usual {
		pace = nil
	}
	if e.options.DebugAddress != "" {
		pace = append(pace, "--debug-address", e.options.DebugAddress)
	}
	return append([]string{
		"run", "--kubeconfig", kubeconfig, "--namespace", namespace,
		"--metrics-address", metrics, fmt.Sprintf("--metrics-secure=%t", e.options.MetricsSecure), "--health-address", "0",
		"--leader-elect-lease-duration", lease, "--leader-elect-renew-deadline", renew, "--leader-elect-retry-period", "500ms",
	}, pace...)
}

// cloudEnv points any tidemill command at the emulated cloud.
func (e *Env) cloudEnv() []string {
	return []string{
		"TIDEMILL_OCI_CONFIG=" + e.Cluster.OCIConfig(), "TIDEMILL_OCI_ENDPOINT=" + e.Cluster.OCIEndpoint(),
		"TIDEMILL_COMPARTMENT_ID=" + e.Cluster.CompartmentID(), "TIDEMILL_CLUSTER_ID=" + e.Cluster.ClusterID(),
	}
}

// UserEnv is what a person exports to use tidemill and kubectl on this cluster.
func (e *Env) UserEnv() []string { return append(e.cloudEnv(), "KUBECONFIG="+e.Cluster.Kubeconfig()) }

// CLI runs a tidemill command as a person with the administrator's kubeconfig.
func (e *Env) CLI(ctx context.Context, args ...string) (stdout, stderr string, code int, err error) {
	return Command(ctx, e.options.Tidemill, e.UserEnv(), args...)
}
