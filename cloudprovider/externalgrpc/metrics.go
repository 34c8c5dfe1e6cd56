package externalgrpc

import (
	"context"
	"fmt"
	"path"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// metrics are what the plugin measures of its clients and of itself.
type metrics struct {
	seconds *prometheus.HistogramVec
	calls   *prometheus.CounterVec
	vetoes  *prometheus.CounterVec
	options *prometheus.CounterVec
	groups  prometheus.Gauge
	age     prometheus.GaugeFunc
}

func newMetrics(r prometheus.Registerer, age func() float64) (*metrics, error) {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tidemill_plugin_rpc_seconds",
			Help:    "Duration of calls of cluster-autoscaler by method.",
			Buckets: prometheus.ExponentialBuckets(0.00001, 4, 10),
		}, []string{"method"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemill_plugin_rpcs_total",
			Help: "Calls of cluster-autoscaler by method and gRPC code.",
		}, []string{"method", "code"}),
		vetoes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemill_plugin_vetoes_total",
			Help: "Deletions refused to cluster-autoscaler because tidemill is at work there, by cause: disruption, request, unreadable, run.",
		}, []string{"cause"}),
		options: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemill_plugin_options_total",
			Help: "Questions for a group's options by generation of the client and answer: none (its own flags hold), sent, withheld (they would harm it).",
		}, []string{"client", "answer"}),
		groups: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tidemill_plugin_groups", Help: "Node pools that cluster-autoscaler may scale.",
		}),
		age: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tidemill_plugin_data_age_seconds", Help: "Age of the look at the cloud that calls are answered from; 0 before the first.",
		}, age),
	}
	for _, method := range wire.CloudProvider_ServiceDesc.Methods {
		m.seconds.WithLabelValues(method.MethodName)
		m.calls.WithLabelValues(method.MethodName, codes.OK.String())
	}
	for _, cause := range []string{"disruption", "request", "unreadable", "run"} {
		m.vetoes.WithLabelValues(cause)
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.seconds, m.calls, m.vetoes, m.options, m.groups, m.age} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the plugin: %w", err)
		}
	}
	return m, nil
}

// watch measures and logs a call, and keeps a panic in it from ending the rest.
func (p *Plugin) watch(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	start, method := time.Now(), path.Base(info.FullMethod)
	defer func() {
		if r := recover(); r != nil {
			p.log.Error("a call broke", "method", method, "panic", r, "stack", string(debug.Stack()))
			err = status.Errorf(codes.Internal, "%s broke: %v", method, r)
		}
		took, code := time.Since(start), status.Code(err)
		if info.Server == any(p) {
			p.metrics.seconds.WithLabelValues(method).Observe(took.Seconds())
			p.metrics.calls.WithLabelValues(method, code.String()).Inc()
		}
		switch code {
		case codes.OK, codes.Unimplemented:
			p.log.Debug("call", "method", method, "took", took, "code", code.String())
		default:
			p.log.Warn("call refused", "method", method, "took", took, "code", code.String(), "error", err)
		}
	}()
	return next(ctx, request)
}
