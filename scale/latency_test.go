package scale

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	cloudfake "github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// histogram is how often and what in sum was observed.
func histogram(t *testing.T, v *prometheus.HistogramVec, labels ...string) (n uint64, sum float64) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(v)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			var have []string
			for _, p := range m.Label {
				have = append(have, p.GetValue())
			}
			if fmt.Sprint(have) == fmt.Sprint(labels) {
				return m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()
			}
		}
	}
	return 0, 0
}

// TestLatencyOfRemoval: of four idle nodes one goes and is gone three minutes
// later, one is gone by somebody else's hand, and two wait at the minimum until
// one of them is needed again.
func TestLatencyOfRemoval(t *testing.T) {
	m := newSimulated()
	p := Policy{}.withDefaults()
	at := func(minute int, nodes ...string) {
		w := worldtest.New()
		w.AddPool("workers", "4", "16Gi", worldtest.Scale(0, 9)).Size = len(nodes)
		begin := w.Now
		for _, name := range nodes {
			marked, busy := name[0] == '-', name[0] == '+'
			if marked || busy {
				name = name[1:]
			}
			n := w.AddNode("workers", name)
			if !busy {
				Timer{Since: &begin}.set(n)
			}
			if marked {
				Removal{Reason: Empty}.mark(n, begin)
			}
		}
		s := w.Snapshot()
		s.Now = begin.Add(time.Duration(minute) * time.Minute)
		m.follow(s, p)
	}
	at(9, "goes", "taken", "idle", "wanted")
	if len(m.eligible) != 0 {
		t.Fatalf("%d nodes may go before their time", len(m.eligible))
	}
	at(10, "goes", "taken", "idle", "wanted")
	at(11, "-goes", "taken", "idle", "wanted")
	at(13, "taken", "idle", "wanted")
	at(15, "idle", "+wanted")
	at(16, "idle", "+wanted")
	if n, sum := histogram(t, m.latency, "true"); n != 1 || sum != 180 {
		t.Errorf("%d removed after %v s, want 1 after 180", n, sum)
	}
	if n, sum := histogram(t, m.latency, "false"); n != 1 || sum != 300 {
		t.Errorf("%d needed again after %v s, want 1 after 300", n, sum)
	}
	if len(m.eligible) != 1 {
		t.Errorf("%d nodes are followed, want the idle one", len(m.eligible))
	}
	m = newSimulated() // a restart: what the nodes say is enough
	at(20, "-goes", "idle")
	at(21, "idle")
	if n, sum := histogram(t, m.latency, "true"); n != 1 || sum != 660 {
		t.Errorf("%d removed after %v s, want 1 after 660", n, sum)
	}
}

// TestHeterogeneity: shapes of pods are counted and not pods, once for each
// growth; other pools' are not.
func TestHeterogeneity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.join(p.pool("workers", 1, "ZONE-A", 1, 9))
		p.pods("web", 4, "3")
		p.pods("api", 4, "2")
		p.pods("far", 1, "2", func(o *corev1.Pod) { o.Namespace = "far" })
		p.look()
		var got string
		r := prometheus.NewRegistry()
		r.MustRegister(p.metrics.heterogeneity)
		families, _ := r.Gather()
		for _, f := range families {
			for _, m := range f.Metric {
				for _, l := range m.Label {
					got += l.GetName() + "=" + l.GetValue() + " "
				}
				got += fmt.Sprint(m.GetHistogram().GetSampleCount(), " of ", m.GetHistogram().GetSampleSum())
			}
		}
		if want := "cpu_count=4 instance_type= namespace_count=2 1 of 3"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestNamespacesAreFewSeries: beyond five they are told in two steps.
func TestNamespacesAreFewSeries(t *testing.T) {
	for n, want := range map[int]string{1: "1", 5: "5", 6: "6-10", 10: "6-10", 11: "11+", 500: "11+"} {
		g := Grow{pool: &world.Pool{}}
		for i := range n {
			g.pods = append(g.pods, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprint(i)}})
		}
		if got := g.namespaces(); got != want {
			t.Errorf("%d namespaces are %s, want %s", n, got, want)
		}
	}
}

// TestTaintsAreCountedByType: in cluster-autoscaler's words; keys that people
// make up are one type, and one that is gone is gone.
func TestTaintsAreCountedByType(t *testing.T) {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi").Size = 2
	keys := []string{
		corev1.TaintNodeNotReady, corev1.TaintNodeUnschedulable, "tidemill.dev/outdated", "team", "gpu",
		"startup-taint.cluster-autoscaler.kubernetes.io/x", "status-taint.cluster-autoscaler.kubernetes.io/y", "ignore-taint.cluster-autoscaler.kubernetes.io/z",
	}
	for _, name := range []string{"a", "b"} {
		n := w.AddNode("workers", name)
		for _, key := range keys {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
		}
	}
	l := &Loop{}
	l.init()
	l.metrics.countTaints(w.Snapshot())
	got := values(t, l)
	for kind, want := range map[string]float64{
		corev1.TaintNodeNotReady: 2, corev1.TaintNodeUnschedulable: 2, "tidemill.dev/outdated": 2, "other": 4,
		"startup-taint": 2, "status-taint": 2, "ignore-taint.cluster-autoscaler.kubernetes.io/": 2,
	} {
		if v := got["node_taints_count{"+kind+"}"]; v != want {
			t.Errorf("%v taints of type %s, want %v", v, kind, want)
		}
	}
	l.metrics.countTaints(worldtest.New().Snapshot())
	for name := range values(t, l) {
		if strings.HasPrefix(name, "node_taints_count") {
			t.Errorf("%s is told of no node", name)
		}
	}
}
