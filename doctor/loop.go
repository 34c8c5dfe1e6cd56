package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/internal/world"
)

// Loop is the doctor at work: observe, decide, act, record, wait. What it keeps
// between looks only delays when it is lost.
type Loop struct {
	Client   client.Client
	Observer *world.Observer
	// Reader reads the kubelets' leases. A live one is better than the informer
	// cache, see [ReadLeases]; nil means Client.
	Reader client.Reader
	Events events.EventRecorder
	Log    *slog.Logger
	Policy Policy
	// Kubelets, if set, are asked in turn, some at each look.
	Kubelets *Kubelets
	// Subnets is at what age an answer about a pool's subnets is asked for anew, of one
	// pool at each look; 0 means that nobody asks. [SubnetsOld] is a good one.
	Subnets time.Duration
	// Interval is the time between looks; 0 means 30s.
	Interval time.Duration
	// Wake asks for a look before the interval is over: a node has changed, or a
	// Pool. It may be nil.
	Wake <-chan struct{}

	once    sync.Once
	runner  *Runner
	history *History
	metrics *metrics
	subnets Subnets
	told    map[string]bool // what events have said and still stands
}

// minPause keeps a burst of changes from becoming a burst of looks. The doctor's
// own writes wake it too.
const minPause = time.Second

// Run looks until ctx ends. No error ends it: one bad look stays one.
func (l *Loop) Run(ctx context.Context) error {
	l.setUp()
	for {
		if _, err := l.Once(ctx); err != nil && ctx.Err() == nil {
			l.Log.Error("examine nodes", "err", err)
		}
		if !l.wait(ctx) {
			return nil
		}
	}
}

// wait returns when the next look is due; false when ctx ends.
func (l *Loop) wait(ctx context.Context) bool {
	pause := time.NewTimer(minPause)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-pause.C:
	}
	rest := time.NewTimer(max(l.Interval-minPause, 0))
	defer rest.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-l.Wake:
	case <-rest.C:
	}
	return true
}

// Once is one look with all that follows. The report is whole even when some
// writes have failed; those are tried again at the next look. It must not be
// called while Run or another Once is running.
func (l *Loop) Once(ctx context.Context) (Report, error) {
	l.setUp()
	started := time.Now()
	s, err := l.Observer.Observe(ctx)
	if err != nil {
		l.metrics.errors.WithLabelValues("observe").Inc()
		l.history.Blind(started)
		return Report{}, fmt.Errorf("examine nodes: %w", err)
	}
	reader := l.Reader
	if reader == nil {
		reader = l.Client
	}
	leases, leasesErr := ReadLeases(ctx, reader)
	if leasesErr != nil {
		l.history.Blind(s.Now) // the one live read: the cache would never tell
	}
	look := NewLook(s, leases, leasesErr, l.history)
	look.Plans = ReadPlans(ctx, l.Observer.Fleet, s)
	if l.Subnets > 0 {
		l.subnets = l.subnets.renewed(ctx, l.Observer.Fleet, s, 1, l.Subnets)
		look.Subnets = l.subnets
	}
	if l.Kubelets != nil {
		look.Kubelets = l.Kubelets.Ask(ctx, kubeletsOf(s, nil), s.Now)
	}
	cases := Judge(ctx, look, l.runner, l.Policy)
	if err := ctx.Err(); err != nil {
		return Report{}, fmt.Errorf("examine nodes: %w", err) // half an examination is none
	}
	plan := Decide(s, cases, l.history.Confirm(cases), l.Policy)
	errs := l.act(ctx, plan)
	l.record(cases, plan)
	l.metrics.observe(s, cases, plan, started)
	return reportOf(s, cases, plan), errors.Join(errs...)
}

// Register registers the loop's metrics.
func (l *Loop) Register(r prometheus.Registerer) error {
	l.setUp()
	for _, c := range l.metrics.collectors() {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register doctor metrics: %w", err)
		}
	}
	return nil
}

func (l *Loop) setUp() {
	l.once.Do(func() {
		l.Policy = l.Policy.withDefaults()
		l.Interval = or(l.Interval, 30*time.Second)
		if l.Log == nil {
			l.Log = slog.New(slog.DiscardHandler)
		}
		l.runner = &Runner{Checks: Checks(), Timeout: l.Policy.CheckTimeout}
		l.history = NewHistory()
		l.metrics = newMetrics()
		l.metrics.interval.Set(l.Interval.Seconds())
		l.told = map[string]bool{}
	})
}
