package oke

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count requests as the service sees them: each try is one, which is
// what rate limits are about. Fleet's metrics count calls of the contract.
type metrics struct {
	requests *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidemill_oci_requests_total",
		Help: "Requests to OCI by operation and HTTP status; status is none when no answer came.",
	}, []string{"op", "status"})}
}

// Register makes the driver's metrics visible. Call it once per Registerer.
func (p *Provider) Register(r prometheus.Registerer) error {
	if err := r.Register(p.metrics.requests); err != nil {
		return fmt.Errorf("register metrics of oci: %w", err)
	}
	return nil
}

func (m *metrics) count(op string, err error) {
	status := "2xx"
	var e *apiError
	switch {
	case errors.As(err, &e):
		status = statusLabel(e.status)
	case err != nil:
		status = "none"
	}
	m.requests.WithLabelValues(op, status).Inc()
}

// statusLabel is a status that HTTP knows, or "other": whatever stands in between may
// answer with any number.
func statusLabel(status int) string {
	if http.StatusText(status) == "" {
		return "other"
	}
	return strconv.Itoa(status)
}
