package cloudprovider

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are one Fleet's measurements of its driver.
type metrics struct {
	calls   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newMetrics() *metrics {
	return &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemill_cloud_calls_total",
			Help: "Calls to the cloud driver by operation and result.",
		}, []string{"op", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tidemill_cloud_call_duration_seconds",
			Help:    "Duration of calls to the cloud driver, retries included.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 10),
		}, []string{"op"}),
	}
}

// Register makes the Fleet's metrics visible. Call it once per Registerer.
func (f *Fleet) Register(r prometheus.Registerer) error {
	if err := r.Register(f.metrics.calls); err != nil {
		return err
	}
	return r.Register(f.metrics.seconds)
}

// observe is deferred with the start time and the address of the named error.
func (m *metrics) observe(op string, start time.Time, err *error) {
	m.seconds.WithLabelValues(op).Observe(time.Since(start).Seconds())
	m.calls.WithLabelValues(op, result(*err)).Inc()
}

// result bounds the label to the contract's own words.
func result(err error) string {
	for _, r := range []struct {
		err  error
		name string
	}{
		{ErrNotFound, "not_found"}, {ErrConflict, "conflict"}, {ErrInvalid, "invalid"},
		{ErrNoCapacity, "no_capacity"}, {ErrQuota, "quota"}, {ErrThrottled, "throttled"},
		{ErrUnauthorized, "unauthorized"}, {ErrNotSupported, "not_supported"},
	} {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	if err != nil {
		return "error"
	}
	return "ok"
}
