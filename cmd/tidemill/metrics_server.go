package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

// What a stranger who reaches the provider's metrics may cost: connections that
// are open at a time, bytes of a request's head, and time for each part of it.
// The daemon's own servers are controller-runtime's, which has bounds of its own
// (32 s and 1 MiB for the head).
const (
	metricsConnections = 64
	metricsHeadBytes   = 16 << 10
	metricsHeadTime    = 5 * time.Second
	metricsTime        = 30 * time.Second
	metricsIdle        = 90 * time.Second
)

// serveMetrics serves until ctx ends; healthy is whether calls can be answered.
func serveMetrics(ctx context.Context, address string, r *prometheus.Registry, healthy func() bool, log *slog.Logger) error {
	if address == "0" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return usage(fmt.Errorf("serve metrics: %w", err), "is another process listening there? --metrics-addr 0 serves none")
	}
	server := metricsServer(r, healthy)
	context.AfterFunc(ctx, func() { server.Close() })
	go func() {
		if err := server.Serve(netutil.LimitListener(l, metricsConnections)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "error", err)
		}
	}()
	return nil
}

// metricsServer answers /metrics and /healthz, within the bounds above.
func metricsServer(r *prometheus.Registry, healthy func() bool) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !healthy() {
			http.Error(w, "the cloud has not been read yet", http.StatusServiceUnavailable)
		}
	})
	return &http.Server{Handler: mux, MaxHeaderBytes: metricsHeadBytes, ReadHeaderTimeout: metricsHeadTime, ReadTimeout: metricsTime, WriteTimeout: metricsTime, IdleTimeout: metricsIdle}
}
