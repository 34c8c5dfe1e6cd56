package cycle

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemill/tidemill/cycle/drain"
)

// metrics are cycle's figures.
type metrics struct {
	stale, draining *prometheus.GaugeVec
	blocked         *prometheus.GaugeVec
	waiting, rung   *prometheus.GaugeVec
	deleted         *prometheus.CounterVec
	evictions       *prometheus.CounterVec
	forced          *prometheus.CounterVec
	steps           *prometheus.CounterVec
	drainSeconds    prometheus.Histogram

	counted map[string]bool // the pools that deleted has a count of
}

func newMetrics() *metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tidemill_cycle_" + name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemill_cycle_" + name, Help: help}, labels)
	}
	m := &metrics{
		counted:   map[string]bool{},
		stale:     gauge("stale_nodes", "Nodes that the run under way still has to replace.", "pool"),
		draining:  gauge("draining_nodes", "Nodes being emptied.", "pool"),
		blocked:   gauge("blocked_nodes", "Nodes that are not taken or not emptied, by reason.", "pool", "reason"),
		waiting:   gauge("waiting", "1 for a pool whose run, or request, does not go on, by reason.", "pool", "reason"),
		rung:      gauge("ladder_rung", "1 for a pool whose run has gone down the capacity ladder, by rung.", "pool", "rung"),
		deleted:   counter("replaced_total", "Instances deleted, by cause of the disruption.", "pool", "cause"),
		evictions: counter("evictions_total", "Evictions asked for, by answer.", "result"),
		forced:    counter("forced_pods_total", "Pods deleted against the Eviction API's refusal, as the user's policy says, by that refusal's reason.", "reason"),
		steps:     counter("steps_total", "Steps carried out.", "step"),
		drainSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tidemill_cycle_drain_seconds",
			Help: "From the first request to a pod until the node was seen empty.", Buckets: []float64{5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560}}),
	}
	for _, r := range drain.Answers {
		m.evictions.WithLabelValues(string(r))
	}
	for _, kind := range Kinds {
		m.steps.WithLabelValues(string(kind))
	}
	return m
}

// Register makes the loop's figures known; it is called at most once, before Run.
func (l *Loop) Register(r prometheus.Registerer) {
	l.prepareMetrics()
	m := l.metrics
	r.MustRegister(m.stale, m.draining, m.blocked, m.waiting, m.rung, m.deleted, m.evictions, m.forced, m.steps, m.drainSeconds)
}

func (l *Loop) prepareMetrics() {
	if l.metrics == nil {
		l.metrics = newMetrics()
	}
}

// report sets the gauges; pools that are gone lose theirs, and their counts.
func (m *metrics) report(plan Plan) {
	m.stale.Reset()
	m.draining.Reset()
	m.blocked.Reset()
	m.waiting.Reset()
	m.rung.Reset()
	there := map[string]bool{}
	for _, r := range plan.Pools {
		there[r.Pool] = true
		m.stale.WithLabelValues(r.Pool).Set(float64(r.Stale))
		m.draining.WithLabelValues(r.Pool).Set(float64(r.Draining))
		if r.Wait != nil {
			m.waiting.WithLabelValues(r.Pool, string(r.Wait.Reason)).Set(1)
		}
		if r.Cycle != nil && r.Cycle.Rung != rungTop {
			m.rung.WithLabelValues(r.Pool, r.Cycle.Rung).Set(1)
		}
		for _, b := range r.Blocked {
			m.blocked.WithLabelValues(r.Pool, string(b.Reason)).Inc()
		}
	}
	for pool := range m.counted {
		if !there[pool] {
			m.deleted.DeletePartialMatch(prometheus.Labels{"pool": pool})
			delete(m.counted, pool)
		}
	}
}

// did counts a step that was carried out.
func (m *metrics) did(s Step) {
	m.steps.WithLabelValues(string(s.Kind)).Inc()
	if s.Kind == DeleteInstance {
		m.deleted.WithLabelValues(s.Pool, string(s.Cause)).Inc()
		m.counted[s.Pool] = true
	}
}

func (m *metrics) evicted(asked map[drain.Reason]int) {
	for r, n := range asked {
		m.evictions.WithLabelValues(string(r)).Add(float64(n))
	}
}
