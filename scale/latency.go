package scale

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// simulated are cluster-autoscaler's metrics about the search itself and about
// how long a node that may go stays.
type simulated struct {
	taints        *prometheus.GaugeVec
	latency       *prometheus.HistogramVec
	heterogeneity *prometheus.HistogramVec
	// eligible are nodes whose unneeded time is over. It may be lost: the timer is
	// on the Node, and only those that go in between are not counted.
	eligible map[types.UID]*eligible
	kinds    map[machineKind]bool // that heterogeneity has figures of
}

// machineKind is a kind of node by its labels in metrics.
type machineKind struct{ shape, cpus string }

// eligible is since when a node may go, and whether scaling had let it go when it
// was last seen.
type eligible struct {
	at     time.Time
	marked bool
}

func newSimulated() *simulated {
	const ns = "cluster_autoscaler"
	m := &simulated{
		eligible: map[types.UID]*eligible{},
		kinds:    map[machineKind]bool{},
		taints: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: ns, Name: "node_taints_count", Help: "Taints of all nodes, by type.",
		}, []string{"type"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Name: "node_removal_latency_seconds",
			Help:    "Time from when an unneeded node may go until it is gone (deleted=true) or needed again (false).",
			Buckets: prometheus.ExponentialBuckets(1, 1.5, 19),
		}, []string{"deleted"}),
		heterogeneity: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Name: "binpacking_heterogeneity",
			Help:    "Groups of like pods that one growth of a pool is for.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 6),
		}, []string{"instance_type", "cpu_count", "namespace_count"}),
	}
	for _, deleted := range []bool{true, false} {
		m.latency.WithLabelValues(strconv.FormatBool(deleted))
	}
	return m
}

func (m *simulated) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.taints, m.latency, m.heterogeneity}
}

// look sets and observes what a look saw.
func (m *simulated) look(s *world.Snapshot, plan Plan, p Policy) {
	m.countTaints(s)
	m.follow(s, p)
	m.forget(s)
	for _, g := range plan.Grows {
		if g.shapes > 0 {
			k := kindOf(g.pool)
			m.kinds[k] = true
			m.heterogeneity.WithLabelValues(k.shape, k.cpus, g.namespaces()).Observe(float64(g.shapes))
		}
	}
}

// forget takes off the figures of kinds of nodes that no pool makes any more: flexible
// shapes are edited, and pools come and go.
func (m *simulated) forget(s *world.Snapshot) {
	made := map[machineKind]bool{}
	for _, p := range s.Pools {
		made[kindOf(p)] = true
	}
	for k := range m.kinds {
		if !made[k] {
			m.heterogeneity.DeletePartialMatch(prometheus.Labels{"instance_type": k.shape, "cpu_count": k.cpus})
			delete(m.kinds, k)
		}
	}
}

// kindOf is the shape and the vCPUs of the pool's new nodes.
func kindOf(p *world.Pool) machineKind {
	if len(p.Cloud.Placements) == 0 {
		return machineKind{}
	}
	t := &p.Cloud.Placements[0].Template
	return machineKind{t.Labels[corev1.LabelInstanceTypeStable], t.Status.Capacity.Cpu().String()}
}

// namespaces is in how many of them the pods are: beyond five in
// cluster-autoscaler's two steps, which bounds the series.
func (g *Grow) namespaces() string {
	names := map[string]bool{}
	for _, pod := range g.pods {
		names[pod.Namespace] = true
	}
	switch n := len(names); {
	case n > 10:
		return "11+"
	case n > 5:
		return "6-10"
	}
	return strconv.Itoa(len(names))
}

// countTaints counts anew: a type that is gone leaves no number behind.
func (m *simulated) countTaints(s *world.Snapshot) {
	counts := map[string]int{}
	add := func(nodes []*world.Node) {
		for _, n := range nodes {
			if n.Object == nil {
				continue
			}
			for i := range n.Object.Spec.Taints {
				counts[taintType(n.Object.Spec.Taints[i].Key)]++
			}
		}
	}
	for _, p := range s.Pools {
		add(p.Nodes)
	}
	add(s.Unmanaged)
	m.taints.Reset()
	for kind, n := range counts {
		m.taints.WithLabelValues(kind).Set(float64(n))
	}
}

// listedTaints are reported by their key: those that stand for a condition of
// the node, cluster-autoscaler's and tidemill's own.
var listedTaints = map[string]bool{
	corev1.TaintNodeNotReady: true, corev1.TaintNodeUnreachable: true, corev1.TaintNodeUnschedulable: true,
	corev1.TaintNodeMemoryPressure: true, corev1.TaintNodeDiskPressure: true, corev1.TaintNodeNetworkUnavailable: true,
	corev1.TaintNodePIDPressure: true, corev1.TaintNodeOutOfService: true,
	"node.cloudprovider.kubernetes.io/uninitialized": true, "node.cloudprovider.kubernetes.io/shutdown": true,
	"ToBeDeletedByClusterAutoscaler": true, "DeletionCandidateOfClusterAutoscaler": true, v1alpha1.TaintOutdated: true,
}

// taintType is cluster-autoscaler's word for a taint; whatever nobody listed is
// "other", so that keys that people make up are no series of their own.
func taintType(key string) string {
	const domain = "cluster-autoscaler.kubernetes.io/"
	switch {
	case strings.HasPrefix(key, "ignore-taint."+domain):
		return "ignore-taint." + domain
	case listedTaints[key]:
		return key
	case strings.HasPrefix(key, "startup-taint."+domain):
		return "startup-taint"
	case strings.HasPrefix(key, "status-taint."+domain):
		return "status-taint"
	}
	return "other"
}

// follow sees which nodes may go, and what has become of those that might.
func (m *simulated) follow(s *world.Snapshot, p Policy) {
	here := map[types.UID]bool{}
	for _, wp := range s.Pools {
		wait := p.UnneededFor
		if spec := wp.ScaleSpec(); spec != nil && spec.Down != nil && spec.Down.UnneededFor != nil {
			wait = spec.Down.UnneededFor.Duration
		}
		for _, n := range wp.Nodes {
			if n.Object != nil {
				here[n.Object.UID] = true
				m.followNode(n, wait, s.Now)
			}
		}
	}
	for uid, e := range m.eligible {
		if here[uid] {
			continue
		}
		delete(m.eligible, uid)
		if e.marked { // one that went otherwise was not scale-down's
			m.observe(true, s.Now.Sub(e.at))
		}
	}
}

func (m *simulated) followNode(n *world.Node, wait time.Duration, now time.Time) {
	since, marked, uid := unneededSince(n), scaleMark(n), n.Object.UID
	at := since.Add(wait)
	e := m.eligible[uid]
	if e != nil && !marked && (since.IsZero() || at.After(now)) {
		m.observe(false, now.Sub(e.at))
		delete(m.eligible, uid)
		return
	}
	switch {
	case e != nil:
		e.marked = marked
	case !since.IsZero() && !at.After(now):
		m.eligible[uid] = &eligible{at, marked}
	case marked: // bad nodes have no timer: they may go from when they are let go
		m.eligible[uid] = &eligible{n.Mark.Since, marked}
	}
}

func (m *simulated) observe(deleted bool, after time.Duration) {
	m.latency.WithLabelValues(strconv.FormatBool(deleted)).Observe(max(0, after.Seconds()))
}
