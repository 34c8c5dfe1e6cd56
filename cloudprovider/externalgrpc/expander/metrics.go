package expander

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
)

// metrics are what the expander measures of its work.
type metrics struct {
	seconds  prometheus.Histogram
	calls    *prometheus.CounterVec
	by       *prometheus.CounterVec
	refusals prometheus.Gauge
}

// undecided is the label of a choice that no strategy narrowed.
const undecided = "none"

func newMetrics(r prometheus.Registerer, chain []Strategy) (*metrics, error) {
	m := &metrics{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidemill_expander_seconds", Help: "Duration of a choice for cluster-autoscaler.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 8),
		}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemill_expander_rpcs_total", Help: "Calls of cluster-autoscaler for a choice by gRPC code.",
		}, []string{"code"}),
		by: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemill_expander_choices_total", Help: "Choices by the last strategy that made a difference; none if all options were alike.",
		}, []string{"strategy"}),
		refusals: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tidemill_expander_refused_places", Help: "Pairs of shape and availability domain in which machines were refused lately.",
		}),
	}
	m.calls.WithLabelValues(codes.OK.String())
	m.by.WithLabelValues(undecided)
	for _, s := range chain {
		m.by.WithLabelValues(s.Name)
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.seconds, m.calls, m.by, m.refusals} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the expander: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) decided(by string) {
	if by == "" {
		by = undecided
	}
	m.by.WithLabelValues(by).Inc()
}
