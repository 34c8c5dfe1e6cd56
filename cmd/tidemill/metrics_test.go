package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/expander"
	"github.com/tidemill/tidemill/cloudprovider/oke"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/lean"
)

// ledger is a registry that remembers what was registered with it.
type ledger struct {
	*prometheus.Registry
	all []prometheus.Collector
}

func (l *ledger) Register(c prometheus.Collector) error {
	l.all = append(l.all, c)
	return l.Registry.Register(c)
}

func (l *ledger) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := l.Register(c); err != nil {
			panic(err)
		}
	}
}

// metric is a row of docs/metrics.md.
type metric struct{ name, kind, labels, help, of string }

// described reads the descriptions of what was registered.
var described = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "((?:[^"\\]|\\.)*)", constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}\}$`)

func (l *ledger) metrics(t *testing.T, of string) []metric {
	t.Helper()
	var out []metric
	for _, c := range l.all {
		descs := make(chan *prometheus.Desc, 100)
		go func() { c.Describe(descs); close(descs) }()
		for d := range descs {
			m := described.FindStringSubmatch(d.String())
			if m == nil {
				t.Fatalf("the description %s is not understood", d)
			}
			if !strings.HasPrefix(m[1], "tidemill_") && !strings.HasPrefix(m[1], "cluster_autoscaler_") {
				continue // of the libraries
			}
			labels := strings.Split(m[4], ",")
			for _, pair := range strings.Split(m[3], ",") {
				name, _, _ := strings.Cut(pair, "=")
				labels = append(labels, name)
			}
			var names []string
			for _, l := range labels {
				if l != "" {
					names = append(names, "`"+l+"`")
				}
			}
			out = append(out, metric{m[1], kindOf(t, c), strings.Join(names, ", "), strings.ReplaceAll(m[2], `\"`, `"`), of})
		}
	}
	return out
}

// kindOf is what the collector collects.
func kindOf(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	switch c := c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.GaugeVec, prometheus.Gauge:
		return "gauge"
	case *prometheus.HistogramVec, prometheus.Histogram:
		return "histogram"
	case prometheus.Metric: // a plain counter, or a function
		var d dto.Metric
		if err := c.Write(&d); err != nil {
			t.Fatal(err)
		}
		if d.Gauge != nil {
			return "gauge"
		}
		return "counter"
	}
	t.Fatalf("%T is not known", c)
	return ""
}

// daemonLedger registers what `tidemill run` registers, by the daemon's own code.
func daemonLedger(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{Registry: prometheus.NewRegistry()}
	before := ctrlmetrics.Registry
	ctrlmetrics.Registry = l
	t.Cleanup(func() { ctrlmetrics.Registry = before })
	fleet := cloudprovider.NewFleet(someProvider(t), cloudprovider.FleetOptions{})
	if err := fleet.Register(l); err != nil {
		t.Fatal(err)
	}
	c := &cluster{config: &rest.Config{Host: "127.0.0.1:1"}, client: someClient(t)}
	f := runFlags{metricsAddress: "0", healthAddress: "0"}
	rights := newCharter(nil, nil, slog.New(slog.DiscardHandler))
	l.MustRegister(rights.absent)
	mgr, err := newManager(c, rights, f, lean.NewPantry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b := &bells{mirror: newBell(0), scale: newBell(0), cycle: newBell(0), doctor: newBell(0)}
	if _, err := newLoops(mgr, &world.Observer{Reader: c.client, Fleet: fleet}, fleet, b, f, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	leaderGauge()
	return l
}

func someClient(t *testing.T) client.Client {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).Build()
}

// someProvider is the driver with a key that opens nothing.
func someProvider(t *testing.T) cloudprovider.Provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config")
	text = []byte("[DEFAULT]\nuser=ocid1.user.oc1..a\nfingerprint=00:11\ntenancy=ocid1.tenancy.oc1..a\nregion=us-ashburn-1\nkey_file=" + path + "\n")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := oke.New(t.Context(), oke.Options{ConfigFile: config, CompartmentID: "ocid1.compartment.oc1..a", ClusterID: "ocid1.cluster.oc1.iad.a",
		Env: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// allMetrics are the daemon's and the plugin's, by name.
func allMetrics(t *testing.T) []metric {
	t.Helper()
	all := daemonLedger(t).metrics(t, "run")
	plugin := &ledger{Registry: prometheus.NewRegistry()}
	fleet := cloudprovider.NewFleet(someProvider(t), cloudprovider.FleetOptions{})
	if _, err := externalgrpc.New(externalgrpc.Options{Fleet: fleet, Selection: externalgrpc.Selection{Pools: true}, Registerer: plugin}); err != nil {
		t.Fatal(err)
	}
	if _, err := expander.New(expander.Options{Chain: []expander.Strategy{{Name: "some"}}, Registerer: plugin}); err != nil {
		t.Fatal(err)
	}
	all = append(all, plugin.metrics(t, "provider")...)
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	return all
}

const metricsIntro = `# Metrics

<!-- Generated from the code: make generate. -->

` + "`tidemill run`" + ` serves these at ` + "`/metrics`" + ` of ` + "`--metrics-address`" + `, ` + "`tidemill provider`" + ` those of the last column's name at its own, beside those of Go
and the process (whether it leaks is seen in ` + "`go_gc_heap_live_bytes`" + `, what the last collection found alive). Names that begin with ` + "`cluster_autoscaler_`" + ` are cluster-autoscaler's, with its meaning, so that its dashboards and alerts go on working.

No label ever holds a node's, a pod's or a machine's name. Labels are pools (as many as the cluster has node pools) and words that the code knows: reasons,
checks, states, operations, results. At 2,000 nodes in 20 pools one look of everything makes fewer than %d series; a test counts them. A pool that is
gone takes its series along, counts too, and so does a shape that no pool has any more.

The dashboards and alerts on them are in [manifests/monitoring](../manifests/monitoring); what to do when an alert fires is in [runbooks](runbooks.md). How
Prometheus comes to read them is in [install](install.md#watch-it).

| metric | kind | labels | meaning | of |
|---|---|---|---|---|
`

// maxSeries is what docs/metrics.md promises for 2,000 nodes.
const maxSeries = 2000

// TestMetricsAreDocumented: docs/metrics.md has every metric and no other.
func TestMetricsAreDocumented(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, metricsIntro, maxSeries)
	for _, m := range allMetrics(t) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.name, m.kind, m.labels, strings.ReplaceAll(m.help, "|", `\|`), m.of)
	}
	document(t, "../../docs/metrics.md", b.String())
}

// document compares a generated document with the one in the tree, or writes it.
func document(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("%s is stale, run make generate (-file +code):\n%s", path, diff)
	}
}

// TestMetricsAreWellNamed, by Prometheus' own rules. Those of cluster-autoscaler
// break some of them, and keep their names.
func TestMetricsAreWellNamed(t *testing.T) {
	var families []*dto.MetricFamily
	for _, m := range allMetrics(t) {
		if strings.HasPrefix(m.name, "cluster_autoscaler_") {
			continue
		}
		kind := map[string]dto.MetricType{"counter": dto.MetricType_COUNTER, "gauge": dto.MetricType_GAUGE, "histogram": dto.MetricType_HISTOGRAM}[m.kind]
		one := &dto.Metric{}
		for _, l := range strings.Split(m.labels, ", ") {
			name, value := strings.Trim(l, "`"), "x"
			if name != "" {
				one.Label = append(one.Label, &dto.LabelPair{Name: &name, Value: &value})
			}
		}
		families = append(families, &dto.MetricFamily{Name: &m.name, Help: &m.help, Type: &kind, Metric: []*dto.Metric{one}})
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
