package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// Loop keeps Pools and their status like the cloud.
type Loop struct {
	Client   client.Client
	Observer *world.Observer
	// Events may be nil.
	Events events.EventRecorder
	Log    *slog.Logger
	// Interval is the wait between two looks; DefaultInterval when 0.
	Interval time.Duration
	// Wake ends a wait early; nil never does.
	Wake <-chan struct{}

	metrics *metrics
}

// DefaultInterval is the wait between two looks when nothing wakes the loop.
const DefaultInterval = 15 * time.Second

// Run looks and writes until ctx ends, and returns nil then.
func (l *Loop) Run(ctx context.Context) error {
	interval := l.Interval
	if interval <= 0 {
		interval = DefaultInterval
	}
	for {
		if _, err := l.Once(ctx); err != nil && ctx.Err() == nil {
			l.Log.Error("mirror pools", "error", err)
		}
		select { // wait
		case <-ctx.Done():
			return nil
		case <-l.Wake:
		case <-time.After(interval):
		}
	}
}

// Once looks once. One Pool that cannot be written does not stop the others;
// the error joins all of them.
func (l *Loop) Once(ctx context.Context) (plan Plan, err error) {
	start := time.Now()
	defer func() { l.metrics.look(start, err) }()

	s, err := l.Observer.Observe(ctx) // observe
	if err != nil {
		return Plan{}, err
	}
	plan = Decide(s)       // decide
	err = l.act(ctx, plan) // act
	l.record(s, plan)      // record
	return plan, err
}

func (l *Loop) act(ctx context.Context, plan Plan) error {
	var errs []error
	for _, c := range plan.Create {
		// A Pool that the cache has not shown yet is not made twice: it has the
		// same name again.
		if err := l.Client.Create(ctx, c.Object()); err != nil && !apierrors.IsAlreadyExists(err) {
			errs = append(errs, fmt.Errorf("create pool %s: %w", c.Name, err))
			continue
		}
		l.Log.Info("node pool discovered", "pool", c.Name, "nodePool", c.NodePoolID)
	}
	for _, c := range plan.Status {
		part := c.Part
		err := kube.ApplyPoolStatus(ctx, l.Client, c.Pool, v1alpha1.OwnerMirror, &part, false)
		if err != nil && !apierrors.IsNotFound(err) { // deleted meanwhile
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// record tells people and metrics what the look found.
func (l *Loop) record(s *world.Snapshot, plan Plan) {
	l.metrics.pools(s)
	for _, c := range plan.Status {
		if !c.TurnedUnready {
			continue
		}
		ready := find(c.Part.Conditions, v1alpha1.ConditionReady)
		l.Log.Warn("pool is not ready", "pool", c.Name, "reason", ready.Reason, "message", ready.Message)
		if l.Events != nil {
			l.Events.Eventf(c.Pool, nil, corev1.EventTypeWarning, ready.Reason, "Discover", "%s", ready.Message)
		}
	}
}
