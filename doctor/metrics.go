package doctor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// metrics count by check and state, never by node: 2,000 nodes times 50 checks
// would be 100,000 series.
type metrics struct {
	status   *prometheus.GaugeVec
	problems *prometheus.GaugeVec
	verdicts *prometheus.GaugeVec
	braked   *prometheus.GaugeVec
	human    *prometheus.GaugeVec
	oldest   prometheus.Gauge
	repairs  *prometheus.CounterVec
	errors   *prometheus.CounterVec
	lastRun  prometheus.Gauge
	interval prometheus.Gauge
	duration prometheus.Histogram

	counted map[string]bool // the pools that repairs has a count of
}

func newMetrics() *metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tidemill_doctor_" + name, Help: help}, labels)
	}
	return &metrics{
		counted:  map[string]bool{},
		status:   gauge("check_status", "Nodes by check and by the state it found them in.", "check", "state"),
		problems: gauge("problem_nodes", "Nodes that a check fails on.", "check"),
		verdicts: gauge("nodes", "Nodes by verdict: True has a problem, False is fine, Unknown is not examined.", "verdict"),
		braked:   gauge("braked", "1 while repair of the pool is stopped for a common cause.", "pool"),
		human:    gauge("needs_human_nodes", "Broken nodes of the pool for which repair has done all it may.", "pool"),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tidemill_doctor_oldest_verdict_timestamp_seconds",
			Help: "When the verdict that is oldest among the nodes was last written; 0 without any."}),
		repairs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemill_doctor_repairs_total",
			Help: "Repairs asked for, reported in dry run, taken back, and noted as ended."}, []string{"pool", "act"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemill_doctor_errors_total",
			Help: "Looks and writes that did not succeed."}, []string{"step"}),
		lastRun: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tidemill_doctor_last_run_timestamp_seconds",
			Help: "When the last examination of all nodes ended."}),
		interval: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tidemill_doctor_expected_interval_seconds",
			Help: "How often all nodes are examined."}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tidemill_doctor_run_duration_seconds",
			Help: "Time of one examination of all nodes, writes included.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 14)}),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.status, m.problems, m.verdicts, m.braked, m.human, m.oldest, m.repairs, m.errors, m.lastRun, m.interval, m.duration}
}

// repaired counts what was done about a pool's node.
func (m *metrics) repaired(pool string, act Act) {
	m.repairs.WithLabelValues(pool, act.String()).Inc()
	m.counted[pool] = true
}

// forget takes off the counts of pools that are gone: neither the cloud nor a Pool
// object names them.
func (m *metrics) forget(s *world.Snapshot) {
	there := map[string]bool{}
	for _, p := range s.Pools {
		there[p.Name] = true
	}
	for _, o := range s.Orphans {
		there[o.Object.Name] = true
	}
	for pool := range m.counted {
		if !there[pool] {
			m.repairs.DeletePartialMatch(prometheus.Labels{"pool": pool})
			delete(m.counted, pool)
		}
	}
}

// observe takes in one look. Gauges are rebuilt, so that a pool or a check that
// is gone leaves no number behind.
func (m *metrics) observe(s *world.Snapshot, cases []Case, plan Plan, started time.Time) {
	m.forget(s)
	m.status.Reset()
	m.problems.Reset()
	for _, c := range Checks() {
		m.problems.WithLabelValues(c.ID).Set(0)
	}
	verdicts := map[corev1.ConditionStatus]float64{corev1.ConditionTrue: 0, corev1.ConditionFalse: 0, corev1.ConditionUnknown: 0}
	for _, c := range cases {
		for _, f := range c.Findings {
			m.status.WithLabelValues(f.Check, f.State.String()).Inc()
			if f.State == Fail {
				m.problems.WithLabelValues(f.Check).Inc()
			}
		}
		if c.Verdict.Status != "" {
			verdicts[c.Verdict.Status]++
		}
	}
	for status, n := range verdicts {
		m.verdicts.WithLabelValues(string(status)).Set(n)
	}
	m.braked.Reset()
	for _, b := range plan.Brakes {
		closed := 0.0
		if b.Closed {
			closed = 1
		}
		m.braked.WithLabelValues(b.Pool.Name).Set(closed)
	}
	m.human.Reset()
	for _, r := range plan.Records {
		m.human.WithLabelValues(r.Brake.Pool.Name).Set(float64(len(r.Human)))
	}
	m.oldest.Set(oldestVerdict(cases))
	m.lastRun.SetToCurrentTime()
	m.duration.Observe(time.Since(started).Seconds())
}

// oldestVerdict is the heartbeat, in seconds since 1970, of the verdict on any
// node that was not written for longest.
func oldestVerdict(cases []Case) float64 {
	oldest := 0.0
	for _, c := range cases {
		if stands := c.Patient.Node.Condition(v1alpha1.NodeConditionProblem); stands != nil {
			if at := float64(stands.LastHeartbeatTime.Unix()); oldest == 0 || at < oldest {
				oldest = at
			}
		}
	}
	return oldest
}
