package cloudprovider

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are one Fleet's measurements of its driver.
type metrics struct {
	calls   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	age     prometheus.GaugeFunc
}

func newMetrics(age func() float64) *metrics {
	m := &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemill_cloud_calls_total",
			Help: "Calls to the cloud driver by operation and result.",
		}, []string{"op", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tidemill_cloud_call_duration_seconds",
			Help:    "Duration of calls to the cloud driver, retries included.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 10),
		}, []string{"op"}),
		age: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tidemill_cloud_data_age_seconds",
			Help: "Age of the last good look at the cloud; since start while there was none.",
		}, age),
	}
	// A rate over a counter that appears with its first failure misses that failure.
	for _, op := range []string{"Pools", "Instances", "Resize", "Delete", "Replace", "Releases", "SetRelease"} {
		m.seconds.WithLabelValues(op)
		for _, result := range []string{"ok", "error", "conflict", "throttled"} {
			m.calls.WithLabelValues(op, result)
		}
	}
	return m
}

// Register makes the Fleet's metrics visible, and those of its driver if it has
// any. Call it once per Registerer.
func (f *Fleet) Register(r prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{f.metrics.calls, f.metrics.seconds, f.metrics.age} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register metrics of the cloud: %w", err)
		}
	}
	if d, ok := f.provider.(interface {
		Register(prometheus.Registerer) error
	}); ok {
		return d.Register(r)
	}
	return nil
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
		{ErrOutOfBounds, "out_of_bounds"},
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
