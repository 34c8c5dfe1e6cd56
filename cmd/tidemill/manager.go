package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tidemill/tidemill/internal/world/lean"
)

// endWithin is how long the loops get to end after SIGTERM. They hold nothing
// that has to be put away: what they began is found again by the next leader.
const endWithin = 5 * time.Second

// leaseName is the Lease that the leader holds; the fence watches its renewals.
const leaseName = "tidemill"

// newManager holds the informer cache, the leader election and the servers.
func newManager(c *cluster, h *charter, f runFlags, pantry *lean.Pantry, log *slog.Logger) (manager.Manager, error) {
	metrics := metricsserver.Options{BindAddress: f.metricsAddress}
	if f.metricsSecure {
		metrics.SecureServing, metrics.CertDir = true, f.metricsCerts
		metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	end := endWithin
	var signed resourcelock.Interface
	if f.elect {
		var err error
		if signed, err = lock(c, f); err != nil {
			return nil, err
		}
	}
	mgr, err := manager.New(c.config, manager.Options{
		Scheme: c.client.Scheme(),
		Logger: logr.FromSlogHandler(log.With("from", "manager").Handler()),
		// Most of what the API server sends of a pod nobody reads.
		Cache:                               cache.Options{DefaultTransform: pantry.Transform},
		NewCache:                            newPartialCache(h),
		Metrics:                             metrics,
		HealthProbeBindAddress:              f.healthAddress,
		LeaderElection:                      f.elect,
		LeaderElectionID:                    leaseName,
		LeaderElectionNamespace:             f.namespace,
		LeaderElectionResourceLockInterface: signed,
		LeaderElectionReleaseOnCancel:       true, // safe: the process ends when the manager does
		LeaseDuration:                       &f.lease,
		RenewDeadline:                       &f.renewDeadline,
		RetryPeriod:                         &f.retries,
		GracefulShutdownTimeout:             &end,
	})
	if err != nil {
		return nil, blind(fmt.Errorf("set up the manager: %w", err), "is another process listening on --metrics-address or --health-address?")
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("add health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("cache", synced(mgr.GetCache())); err != nil {
		return nil, fmt.Errorf("add readiness check: %w", err)
	}
	if err := mgr.Add(h); err != nil {
		return nil, fmt.Errorf("add the asking for rights: %w", err)
	}
	for _, m := range processMetrics() {
		if err := ctrlmetrics.Registry.Register(m); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return mgr, nil
}

// synced is ready once the cache has seen everything, on standbys too: then a
// change of leader costs no look at an empty world.
func synced(c cache.Cache) healthz.Checker {
	return func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if !c.WaitForCacheSync(ctx) {
			return errors.New("the cache has not synced yet")
		}
		return nil
	}
}

// leading runs while this process leads, and says so.
type leading struct {
	log   *slog.Logger
	gauge prometheus.Gauge
}

func leaderGauge() prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "tidemill_leader", Help: "1 while this process leads, else 0."})
	ctrlmetrics.Registry.MustRegister(g)
	return g
}

// Start implements manager.Runnable.
func (l *leading) Start(ctx context.Context) error {
	l.log.Info("leading: the loops run here")
	l.gauge.Set(1)
	<-ctx.Done()
	l.gauge.Set(0)
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (l *leading) NeedLeaderElection() bool { return true }
