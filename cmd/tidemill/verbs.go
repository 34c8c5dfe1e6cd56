package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/mirror"
	"github.com/tidemill/tidemill/scale"
	"github.com/tidemill/tidemill/scale/buffer"
)

// newLoops makes the four loops over one observer: the mirror first, so that a
// new pool can be seen before anything is done to it, then the verbs.
func newLoops(mgr manager.Manager, o *world.Observer, fleet *cloudprovider.Fleet, b *bells, f runFlags, log *slog.Logger) ([]*loop, error) {
	clientset, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("open API server: %w", err)
	}
	c, tell, logOf := mgr.GetClient(), kube.PlainEvents(mgr.GetEventRecorder("tidemill")), func(name string) *slog.Logger { return log.With("loop", name) }
	m := &mirror.Loop{Client: c, Observer: o, Events: tell, Log: logOf("mirror"), Interval: f.interval, Wake: b.mirror.C}
	s := &scale.Loop{
		Client: c, Observer: o, Fleet: fleet, Events: tell, Log: logOf("scale"), Interval: f.interval, Wake: b.scale.C, Policy: f.scale.policy(),
		Live: mgr.GetAPIReader(), Wishes: &buffer.Source{Live: mgr.GetAPIReader()}, ConfigNamespace: f.scale.namespace, StatusName: f.scale.status,
	}
	if f.scale.proactive {
		s.Wishes.Cached = mgr.GetCache()
	}
	y := &cycle.Loop{
		Client: c, Observer: o, Fleet: fleet, Events: tell, Log: logOf("cycle"), Interval: f.interval, Wake: b.cycle.C,
		Live: mgr.GetAPIReader(), Clientset: clientset,
	}
	d := &doctor.Loop{Client: c, Observer: o, Events: tell, Log: logOf("doctor"), Interval: f.interval, Wake: b.doctor.C, Reader: mgr.GetAPIReader(), Subnets: doctor.SubnetsOld}
	if d.Kubelets, err = residentKubelets(f.kubelets, mgr.GetConfig()); err != nil {
		return nil, err
	}
	y.Register(ctrlmetrics.Registry)
	for _, register := range []func(prometheus.Registerer) error{m.Register, s.Register, d.Register} {
		if err := register(ctrlmetrics.Registry); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	broke := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidemill_loop_breaks_total", Help: "Times a loop ended or panicked and was begun again.",
	}, []string{"loop"})
	if err := ctrlmetrics.Registry.Register(broke); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	loops := []*loop{{name: "mirror", run: m.Run}, {name: "scale", run: s.Run}, {name: "cycle", run: y.Run}, {name: "doctor", run: d.Run}}
	for _, l := range loops {
		l.log, l.pause, l.broke = log, time.Second, broke.WithLabelValues(l.name).Inc
	}
	return loops, nil
}
