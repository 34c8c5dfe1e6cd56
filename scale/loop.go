package scale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/buffer"
)

// Loop carries plans out: observe, decide, act, record, wait. What it keeps in
// memory is there to say things once, and may be lost.
type Loop struct {
	// Client writes Nodes and Pools.
	Client   client.Client
	Observer *world.Observer
	Fleet    *cloudprovider.Fleet
	Events   events.EventRecorder
	Log      *slog.Logger
	Policy   Policy
	// Interval is the time between looks; default 10s.
	Interval time.Duration
	// Wake, if not nil, asks for a look at once: a pod became pending.
	Wake <-chan struct{}

	// Wishes reads buffers and requests for room; nil when nobody's are served.
	Wishes *buffer.Source
	// Live reads past the cache: the Pool that something is about to be done in, and
	// ConfigMaps. With nil no ConfigMap is read or written, and Client is asked for Pools.
	Live client.Reader
	// ConfigNamespace is that of the ConfigMaps, default kube-system; StatusName
	// the one the status is told in, "" for none.
	ConfigNamespace, StatusName string

	prioritiesVersion, prioritiesError string

	metrics   *metrics
	memo      *Memo
	seen      map[types.UID]bool    // pending pods of the last look
	told      map[types.UID]string  // what was last said of a pod that is not helped
	toldNodes map[types.UID]telling // what was last said of a node that stays

	unjoined  map[cloudprovider.InstanceID]time.Time // since when a machine without a Node is watched
	toldPools map[string]Reason                      // what was last said of a pool that a limit holds
	toldBrake bool
}

// Pods of one Deployment are created one after the other: a look waits until no
// new one has come for quiet, but no longer than patience, so that sixty
// replicas make one Resize.
const (
	quiet    = 200 * time.Millisecond
	patience = time.Second
)

// Run looks and acts until ctx is done, and returns nil then. A look that fails
// is logged; the next one begins from what the world is then.
func (l *Loop) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := l.Once(ctx); err != nil && ctx.Err() == nil {
			l.Log.Error("look", "verb", "scale", "error", err)
		}
		l.wait(ctx)
	}
	return nil
}

func (l *Loop) wait(ctx context.Context) {
	timer := time.NewTimer(or(l.Interval, 10*time.Second))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-l.Wake:
	}
}

// Once is one look: the plan, and the errors of the actions that failed, joined.
// With a plan that could not be made nothing was done.
func (l *Loop) Once(ctx context.Context) (Plan, error) {
	l.init()
	defer l.metrics.time("main")()
	if err := l.gather(ctx); err != nil {
		return Plan{}, err
	}
	s, err := l.observe(ctx)
	if err != nil {
		return Plan{}, err
	}
	l.readPriorities(ctx)
	s, wishes := l.wish(ctx, s)
	plan, err := l.decide(s)
	if err != nil {
		return Plan{}, err
	}
	errs := l.act(ctx, &plan)
	errs = append(errs, l.record(ctx, s, plan)...)
	errs = append(errs, l.grant(ctx, s, wishes, plan)...)
	if err := l.writeStatus(ctx, s, plan); err != nil {
		errs = append(errs, err)
	}
	for _, err := range errs {
		l.Log.Warn("act", "verb", "scale", "error", err)
	}
	return plan, errors.Join(errs...)
}

func (l *Loop) init() {
	if l.metrics == nil {
		l.metrics = newMetrics()
	}
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
}

func (l *Loop) observe(ctx context.Context) (*world.Snapshot, error) {
	defer l.metrics.time("observe")()
	s, err := l.Observer.Observe(ctx)
	if err != nil {
		return nil, fmt.Errorf("observe: %w", err)
	}
	l.watchUnjoined(s)
	return s, nil
}

func (l *Loop) decide(s *world.Snapshot) (Plan, error) {
	defer l.metrics.time("decide")()
	if l.memo == nil {
		l.memo = NewMemo()
	}
	return decideKnowing(s, l.Policy, l.memo)
}

// gather waits while pods that nobody has seen pending are still coming.
func (l *Loop) gather(ctx context.Context) error {
	deadline := time.Now().Add(patience)
	for {
		now, err := l.pending(ctx)
		if err != nil {
			return err
		}
		fresh := false
		for uid := range now {
			fresh = fresh || !l.seen[uid]
		}
		l.seen = now
		if !fresh || !time.Now().Before(deadline) {
			return nil
		}
		timer := time.NewTimer(quiet)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

func (l *Loop) pending(ctx context.Context) (map[types.UID]bool, error) {
	pods, err := l.Observer.Pods(ctx)
	if err != nil {
		return nil, err
	}
	out := map[types.UID]bool{}
	for _, p := range pods {
		if p.Spec.NodeName == "" && p.DeletionTimestamp == nil && !terminal(p) {
			out[p.UID] = true
		}
	}
	return out, nil
}
