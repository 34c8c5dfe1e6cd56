package mirror

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemill/tidemill/internal/world"
)

// metrics are what the mirror measures: its own looks, and each pool's numbers.
// The label pool is bounded by the number of node pools of a cluster.
type metrics struct {
	looks   *prometheus.CounterVec
	seconds prometheus.Histogram
	nodes   *prometheus.GaugeVec
	ready   *prometheus.GaugeVec
	cloud   prometheus.Gauge
	pending prometheus.Gauge
}

func newMetrics() *metrics {
	return &metrics{
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemill_mirror_looks_total",
			Help: "Looks of the mirror by result.",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tidemill_mirror_look_duration_seconds",
			Help:    "Duration of a look of the mirror, writes included.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 10),
		}),
		nodes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tidemill_pool_nodes",
			Help: "Nodes of a pool: size is what was asked of the cloud, the others what is seen.",
		}, []string{"pool", "kind"}),
		ready: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tidemill_pool_ready",
			Help: "1 if the Pool has a node pool of its own that can be read, 0 with the reason if not.",
		}, []string{"pool", "reason"}),
		cloud: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tidemill_cloud_last_good_look_timestamp_seconds",
			Help: "When the cloud was last read to the end, in seconds since the epoch.",
		}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tidemill_pending_pods",
			Help: "Pods without a node.",
		}),
	}
}

// Register makes the loop's metrics visible. Call it before Run, once.
func (l *Loop) Register(r prometheus.Registerer) error {
	m := newMetrics()
	for _, result := range []string{"ok", "error"} {
		m.looks.WithLabelValues(result)
	}
	for _, c := range []prometheus.Collector{m.looks, m.seconds, m.nodes, m.ready, m.cloud, m.pending} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	l.metrics = m
	return nil
}

func (m *metrics) look(start time.Time, err error) {
	if m == nil {
		return
	}
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.looks.WithLabelValues(result).Inc()
	m.seconds.Observe(time.Since(start).Seconds())
}

// pools sets the gauges anew, so that a pool that is gone leaves no series.
func (m *metrics) pools(s *world.Snapshot) {
	if m == nil {
		return
	}
	m.nodes.Reset()
	m.ready.Reset()
	for _, p := range s.Pools {
		t := tally(p)
		for kind, n := range map[string]int{
			"size": p.Cloud.Size, "ready": t.available, "outdated": t.outdated,
			"draining": t.draining, "coming": t.coming + t.gated, "failed": t.failed, "broken": t.broken,
		} {
			m.nodes.WithLabelValues(p.Name, kind).Set(float64(n))
		}
		if s.CloudErr != nil || p.Cloud.Health.Err != nil {
			m.ready.WithLabelValues(p.Name, string(world.CloudUnavailable)).Set(0)
		} else {
			m.ready.WithLabelValues(p.Name, "").Set(1)
		}
	}
	for _, o := range s.Orphans {
		m.ready.WithLabelValues(o.Object.Name, string(o.Reason)).Set(0)
	}
	if !s.CloudObserved.IsZero() {
		m.cloud.Set(float64(s.CloudObserved.UnixNano()) / 1e9)
	}
	m.pending.Set(float64(len(s.Pending)))
}
