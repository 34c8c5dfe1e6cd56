package scale

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
)

// act carries the plan out, one action after the other; one that fails stops no
// other. A growth that the cloud refuses backs its pool off in plan.Pools, for
// record to write.
func (l *Loop) act(ctx context.Context, plan *Plan) []error {
	defer l.metrics.time("act")()
	var errs []error
	failed := func(action string, err error) bool {
		if err == nil {
			return false
		}
		l.metrics.errors.WithLabelValues(action).Inc()
		// Somebody else was quicker: the next look sees what they did.
		if !outrun(err) {
			errs = append(errs, err)
		} else {
			l.Log.Debug("conflict", "verb", "scale", "action", action, "error", err)
		}
		return true
	}
	for _, t := range plan.TakeBacks {
		failed("takeBack", l.takeBack(ctx, plan, t))
	}
	for _, d := range plan.Discards {
		failed("discard", l.discard(ctx, d))
	}
	for _, k := range plan.Keeps {
		if !failed("keep", l.patch(ctx, k.node.Object, func(n *corev1.Node) { kube.Unmark(n) })) {
			l.Log.Info(k.String())
		}
	}
	for _, g := range plan.Grows {
		failed("grow", l.grow(ctx, plan, g))
	}
	for _, t := range plan.Timers {
		failed("timer", l.patch(ctx, t.node.Object, t.set))
	}
	asked := l.confirming(ctx, plan)
	for _, r := range plan.Removals {
		err := l.remove(ctx, plan, asked, r)
		if failed("remove", err) {
			if !outrun(err) {
				l.sayNotRemoved(r, err)
			}
		} else {
			l.Log.Info(r.String())
			l.sayRemoval(r)
			l.metrics.removed(r)
			if v := plan.poolVerdict(r.Pool); v != nil {
				v.noteTime(plan.Now, l.Policy, false)
			}
		}
	}
	plan.hold(asked)
	return errs
}

// outrun is whether somebody else was quicker.
func outrun(err error) bool {
	return apierrors.IsConflict(err) || errors.Is(err, cloudprovider.ErrConflict)
}

func (l *Loop) patch(ctx context.Context, n *corev1.Node, change func(*corev1.Node)) error {
	return kube.PatchNode(ctx, l.Client, n, change)
}

// mark puts mark and cordon on the node, for one write: a node is never
// cordoned without saying by whom.
func (r Removal) mark(n *corev1.Node, now time.Time) {
	m := kube.Mark{Cause: kube.CauseScaleDown, Reason: string(r.Reason), Message: r.Message, Since: now.UTC()}
	kube.SetMark(n, kube.Cordon(n, m))
}

// set starts or stops the unneeded time on the node.
func (t Timer) set(n *corev1.Node) {
	if t.Since == nil {
		delete(n.Annotations, v1alpha1.AnnotationUnneededSince)
		return
	}
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	n.Annotations[v1alpha1.AnnotationUnneededSince] = t.Since.Format(time.RFC3339)
}

// takeBack lowers a pool by what failed. The backoff is written first: after a
// crash between the two the entries are still there and the pool is left alone,
// whereas the other way round it would grow into the same wall at once.
func (l *Loop) takeBack(ctx context.Context, plan *Plan, t TakeBack) error {
	if err := l.mayResize(ctx, plan, t.pool); err != nil {
		return fmt.Errorf("take back failed machines of pool %s: %w", t.Pool, err)
	}
	v := plan.poolVerdict(t.Pool)
	if err := l.recordPool(ctx, v); err != nil {
		return err
	}
	if fresh := failures(t.pool.Object) != failuresOf(v.Scale); fresh {
		l.sayFailed(t.pool.Object, t.String())
		l.metrics.failed(t.Faults)
	}
	if err := l.Fleet.Resize(ctx, t.ID, t.From, t.To); err != nil {
		return fmt.Errorf("take back failed machines of pool %s: %w", t.Pool, err)
	}
	l.Log.Info(t.String())
	return nil
}

func failures(p *v1alpha1.Pool) int32 { return failuresOf(p.Status.Scale) }

func failuresOf(s *v1alpha1.ScaleStatus) int32 {
	if s == nil {
		return 0
	}
	return s.Failures
}

func (l *Loop) grow(ctx context.Context, plan *Plan, g Grow) error {
	err := l.ask(ctx, plan, g)
	if err != nil {
		err = fmt.Errorf("grow pool %s from %d to %d: %w", g.Pool, g.From, g.To, err)
		if passing(err) {
			return err
		}
		v := plan.poolVerdict(g.Pool)
		v.Scale = backOff(g.pool.Object.Status.Scale, plan.Now, l.Policy.withDefaults(), faultOf(err).String(), oneLine(err.Error()))
		v.Reason, v.Message = BackedOff, v.Scale.Message
		l.sayFailed(g.pool.Object, err.Error())
		l.metrics.failed([]Fault{{Class: faultOf(err).String(), Count: 1}})
		return err
	}
	if v := plan.poolVerdict(g.Pool); v != nil {
		v.noteTime(plan.Now, l.Policy, true)
	}
	l.Log.Info(g.String())
	l.sayGrowth(g)
	l.metrics.grown(g, time.Now())
	return nil
}

// ask is whether there is something to ask for, and asks. What a run writes for a
// growth is written under the version of the Pool that was read.
func (l *Loop) ask(ctx context.Context, plan *Plan, g Grow) error {
	if !g.Cycle {
		if err := l.mayResize(ctx, plan, g.pool); err != nil {
			return err
		}
	}
	if err := l.askFirst(ctx, g); err != nil {
		return err
	}
	return l.resize(ctx, g)
}

// resize asks for the new size, of the cloud, or of the run that owns the
// pool's size for now.
func (l *Loop) resize(ctx context.Context, g Grow) error {
	if g.Cycle {
		return kube.RaiseDesired(ctx, l.Client, g.pool.Object, g.To)
	}
	return l.Fleet.Resize(ctx, g.ID, g.From, g.To)
}

// passing is whether an error says nothing about the pool's ability to grow.
func passing(err error) bool {
	var no *unconfirmed
	return outrun(err) || errors.As(err, &no) || errors.Is(err, cloudprovider.ErrThrottled) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func faultOf(err error) cloudprovider.FaultClass {
	switch {
	case errors.Is(err, cloudprovider.ErrNoCapacity):
		return cloudprovider.FaultCapacity
	case errors.Is(err, cloudprovider.ErrQuota):
		return cloudprovider.FaultLimit
	}
	return cloudprovider.FaultUnknown
}

func (p *Plan) poolVerdict(name string) *PoolVerdict {
	for i := range p.Pools {
		if p.Pools[i].Pool == name {
			return &p.Pools[i]
		}
	}
	return nil
}
