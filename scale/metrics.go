package scale

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/buffer"
)

// metrics have cluster-autoscaler's names where the meaning is the same, so
// that its dashboards and alerts go on working.
type metrics struct {
	unschedulable *prometheus.GaugeVec
	nodes         *prometheus.GaugeVec
	unneeded      prometheus.Gauge
	up            prometheus.Counter
	failedUps     *prometheus.CounterVec
	down          *prometheus.CounterVec
	errors        *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	toResize      prometheus.Histogram

	prioritiesInvalid prometheus.Gauge
	unhelped          *prometheus.GaugeVec
	poolBlocked       *prometheus.GaugeVec
	*surface
	*simulated
}

func newMetrics() *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "cluster_autoscaler", Name: name, Help: help})
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cluster_autoscaler", Name: name, Help: help}, labels)
	}
	return &metrics{
		surface: newSurface(), simulated: newSimulated(),
		prioritiesInvalid: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tidemill_scale_priorities_invalid", Help: "1 while the priority expander's ConfigMap cannot be read and older rules hold.",
		}),
		unhelped: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tidemill_scale_unhelped_pods", Help: "Pending pods that nothing helps, by reason.",
		}, []string{"reason"}),
		poolBlocked: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tidemill_scale_pool_blocked", Help: "1 for a pool that cannot grow now, by reason; pools that are not scaled have none.",
		}, []string{"pool", "reason"}),
		unschedulable: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "cluster_autoscaler", Name: "unschedulable_pods_count",
			Help: "Pending pods that fit no node there is or on its way: those that the scheduler has refused, and those that it has yet to try.",
		}, []string{"type"}),
		nodes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "cluster_autoscaler", Name: "nodes_count", Help: "Nodes and machines of pools by state.",
		}, []string{"state"}),
		unneeded: gauge("unneeded_nodes_count", "Nodes that the cluster could do without."),
		up: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "cluster_autoscaler", Name: "scaled_up_nodes_total", Help: "Nodes asked for.",
		}),
		failedUps: counter("failed_scale_ups_total", "Growths that failed, by the class of the fault.", "reason"),
		down:      counter("scaled_down_nodes_total", "Nodes let go.", "reason"),
		errors:    counter("errors_total", "Actions of scaling that failed, by action.", "type"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "cluster_autoscaler", Name: "function_duration_seconds", Help: "Duration of a look (main) and its parts.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}, []string{"function"}),
		toResize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tidemill_scale_pending_to_resize_seconds",
			Help:    "Time from a pod's creation to the accepted growth for it.",
			Buckets: []float64{0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600},
		}),
	}
}

// Register makes the loop's metrics visible. Call it once per Registerer,
// before Run.
func (l *Loop) Register(r prometheus.Registerer) error {
	l.init()
	m := l.metrics
	for _, c := range append(append(m.surface.collectors(), m.simulated.collectors()...),
		m.unschedulable, m.nodes, m.unneeded, m.up, m.failedUps, m.down, m.errors, m.seconds, m.toResize, m.prioritiesInvalid, m.unhelped, m.poolBlocked,
	) {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// time measures until the returned function is called.
func (m *metrics) time(function string) func() {
	start := time.Now()
	return func() { m.seconds.WithLabelValues(function).Observe(time.Since(start).Seconds()) }
}

func (m *metrics) grown(g Grow, now time.Time) {
	m.up.Add(float64(g.To - g.From))
	for _, name := range accelerators(g.pool) {
		m.gpusUp.WithLabelValues(gpuLabel(name)).Add(float64(g.To - g.From))
	}
	for _, pod := range g.pods {
		if buffer.Owner(pod) != "" {
			continue // it has not waited: it does not exist
		}
		m.toResize.Observe(max(0, now.Sub(pod.CreationTimestamp.Time).Seconds()))
	}
}

func (m *metrics) failed(faults []Fault) {
	for _, f := range faults {
		m.failedUps.WithLabelValues(f.Class).Inc()
		m.creationsFailed.Add(float64(f.Count))
	}
}

func (m *metrics) removed(r Removal) {
	word := "underutilized"
	switch r.Reason {
	case Empty:
		word = "empty"
	case Unready, NeverReady:
		word = "unready"
	}
	m.down.WithLabelValues(word).Inc()
	for name, q := range r.node.Object.Status.Allocatable {
		if gpu(name) && !q.IsZero() {
			m.gpusDown.WithLabelValues(word, gpuLabel(string(name))).Inc()
		}
	}
}

// look sets what a look saw.
func (m *metrics) look(s *world.Snapshot, plan Plan, p Policy) {
	m.surface.look(s, plan, p)
	m.simulated.look(s, plan, p)
	m.refusals(plan)
	unschedulable := map[string]int{typeRefused: 0, typeUnprocessed: 0}
	for _, v := range plan.Verdicts {
		if v.pod != nil && buffer.Owner(v.pod) != "" {
			continue
		}
		if v.Help == HelpGrowth || v.Help == HelpKept || v.news() {
			unschedulable[typeOf(v.pod)]++
		}
	}
	for kind, n := range unschedulable {
		m.unschedulable.WithLabelValues(kind).Set(float64(n))
	}
	unneeded := len(plan.Removals)
	for _, n := range plan.Nodes {
		if n.Reason == NotYet || n.Reason == TooManyLeaving {
			unneeded++
		}
	}
	m.unneeded.Set(float64(unneeded))
	states := map[string]int{"ready": 0, "unready": 0, "notStarted": 0, "unregistered": 0, "longUnregistered": 0}
	for _, p := range s.Pools {
		for _, n := range p.Nodes {
			states[stateOf(n, s.Now)]++
		}
	}
	for state, n := range states {
		m.nodes.WithLabelValues(state).Set(float64(n))
	}
}

// Types of pods without a node, in cluster-autoscaler's words.
const (
	typeRefused     = "unschedulable"
	typeUnprocessed = "scheduler_unprocessed"
)

// typeOf is whether the scheduler has refused the pod already.
func typeOf(pod *corev1.Pod) string {
	if pod == nil {
		return typeRefused
	}
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return typeRefused
		}
	}
	return typeUnprocessed
}

// refusals sets the reasons of what is not helped and does not grow, anew each
// time: a reason that is gone leaves no number behind.
func (m *metrics) refusals(plan Plan) {
	m.unhelped.Reset()
	for _, v := range plan.Verdicts {
		if v.news() && (v.pod == nil || buffer.Owner(v.pod) == "") {
			m.unhelped.WithLabelValues(string(v.Reason)).Inc()
		}
	}
	m.poolBlocked.Reset()
	for _, v := range plan.Pools {
		if v.Reason != "" && v.Reason != ScaleOff {
			m.poolBlocked.WithLabelValues(v.Pool, string(v.Reason)).Set(1)
		}
	}
}

// stateOf is cluster-autoscaler's word for the node.
func stateOf(n *world.Node, now time.Time) string {
	switch {
	case n.Object == nil && !n.Created().IsZero() && now.Sub(n.Created()) > 15*time.Minute:
		return "longUnregistered"
	case n.Object == nil:
		return "unregistered"
	case n.Ready():
		return "ready"
	case n.Stage() == world.StageJoining:
		return "notStarted"
	}
	return "unready"
}

// scaleMark is whether scaling has let the node go.
func scaleMark(n *world.Node) bool { return n.Mark != nil && n.Mark.Cause == kube.CauseScaleDown }
