package cycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// step carries out one step.
func (t *turn) step(ctx context.Context, s Step) error {
	var err error
	switch s.Kind {
	case StartRun, FinishRun, RefuseRequest, BackOff, CountJoinFailure, AdoptSize:
		// written with the pool's status already
	case SetRelease:
		err = t.Fleet.SetRelease(ctx, s.PoolID, *s.Release)
	case TakeBack, Surge:
		err = t.Fleet.Resize(ctx, s.PoolID, s.From, s.To)
	case DeleteInstance:
		err = t.deleteOnce(ctx, s)
	case Refill:
		err = t.refill(ctx, s)
	case Delegate:
		err = t.delegate(ctx, s)
	case Reboot, ReplaceBootVolume:
		err = t.restart(ctx, s)
	case Drain:
		return t.drain(ctx, s)
	default:
		err = t.onNode(ctx, s)
	}
	t.learn(s, err)
	if errors.Is(err, errStayed) || errors.Is(err, errWasGone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	t.tell(s)
	return nil
}

// onNode carries out a step that is one write of a Node.
func (t *turn) onNode(ctx context.Context, s Step) error {
	n := t.nodes[s.NodeUID]
	if n == nil {
		return cloudprovider.ErrNotFound
	}
	return kube.PatchNode(ctx, t.Client, n.Object, func(o *corev1.Node) { change(o, s) })
}

// change makes a step's change in memory.
func change(o *corev1.Node, s Step) {
	switch s.Kind {
	case Taint:
		kube.AddTaint(o, corev1.Taint{Key: v1alpha1.TaintOutdated, Effect: corev1.TaintEffectPreferNoSchedule})
		if s.Keep {
			kube.KeepFromScaleDown(o)
		}
	case Untaint:
		kube.RemoveTaint(o, v1alpha1.TaintOutdated)
	case Mark:
		m := kube.Mark{Cause: s.Cause, Reason: string(s.Reason), Message: s.Message, Since: time.Now().UTC(), Action: s.Action}
		kube.SetMark(o, kube.Cordon(o, m))
	case Release:
		release(o, s)
	case Keep:
		kube.KeepFromScaleDown(o)
	case OutOfService:
		kube.TakeOutOfService(o)
	case InService:
		kube.PutInService(o)
	case Forget:
		kube.AllowScaleDown(o)
		if !s.Keep {
			delete(o.Annotations, v1alpha1.AnnotationSkippedUntil)
		}
	case Skip:
		tainted := kube.RemoveTaint(o, v1alpha1.TaintOutdated)
		kube.Unmark(o)
		if tainted { // it is still to be replaced
			kube.AddTaint(o, corev1.Taint{Key: v1alpha1.TaintOutdated, Effect: corev1.TaintEffectPreferNoSchedule})
		}
		if o.Annotations == nil {
			o.Annotations = map[string]string{}
		}
		o.Annotations[v1alpha1.AnnotationSkippedUntil] = skips{*s.Until, s.Tries, s.Alone}.String()
	}
}

// release gives a node back with everything of tidemill's taken off, and with the
// request that is answered by it. What a run has renewed says so until its end, and
// what the doctor has asked for says how it ended: it was tried, also if somebody has
// taken the request off after the machine was restarted.
func release(o *corev1.Node, s Step) {
	if s.Request != "" || restarted(o) {
		kube.AnswerRepair(o, string(s.Reason))
	}
	kube.Unmark(o)
	kube.AllowScaleDown(o)
	if s.Request != "" && o.Annotations[v1alpha1.AnnotationCycle] == s.Request {
		delete(o.Annotations, v1alpha1.AnnotationCycle)
	}
	if s.Reason == Renewed && s.Until != nil && s.Cause == kube.CauseCycle {
		o.Annotations[v1alpha1.AnnotationRenewed] = clock(s.Until)
	}
}

// restarted is whether the machine was restarted for a repair that stands on o.
func restarted(o *corev1.Node) bool {
	m, err := kube.MarkOf(o)
	return err == nil && m != nil && m.Cause == kube.CauseRepair && m.Acted != nil
}

// delegate asks the cloud to cycle the pool; that it is at work there already is no
// error.
func (t *turn) delegate(ctx context.Context, s Step) error {
	err := t.Fleet.Cycle(ctx, s.PoolID, *s.Cycling)
	t.knownOf(s.PoolID).unasked = ""
	if err != nil {
		t.knownOf(s.PoolID).unasked = err.Error()
	}
	if errors.Is(err, cloudprovider.ErrConflict) {
		return nil
	}
	return err
}

// drain does one step of emptying a node, and writes on the Node when that
// began and when it was seen empty.
func (t *turn) drain(ctx context.Context, s Step) error {
	n := t.nodes[s.NodeUID]
	if n == nil || n.Mark == nil {
		return fmt.Errorf("%s: %w", s, cloudprovider.ErrNotFound)
	}
	now := time.Now().UTC()
	if n.Mark.DrainStarted == nil {
		// Written before the first eviction: the timeout counts from here, also
		// for whoever comes after a crash. The evictions begin on the next tick,
		// on the Node that this write leaves.
		traffic, dwell := drain.TrafficOf(n.Object, n.Pods, t.snapshot.Balancers), terms(t.pools[s.Pool]).Dwell
		err := kube.PatchNode(ctx, t.Client, n.Object, func(o *corev1.Node) { begin(o, *n.Mark, traffic, dwell, now) })
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		t.draining[s.NodeUID] = true
		t.tell(s)
		return nil
	}
	t.draining[s.NodeUID] = true
	target := t.target(n, s)
	target.Still = func(ctx context.Context) error { return t.stillTaken(ctx, n) }
	progress := t.drainer.Step(ctx, target)
	t.drains[s.NodeUID] = progress
	t.metrics.evicted(progress.Asked)
	t.tellBlocked(n, progress)
	t.tellForced(n, progress)
	if progress.Err != nil {
		return fmt.Errorf("%s: %w", s, progress.Err)
	}
	if !progress.Empty {
		return nil
	}
	drained := *n.Mark
	drained.Drained = &now
	if err := t.setMark(ctx, n, drained); err != nil {
		return fmt.Errorf("mark node %s as drained: %w", n.Name(), err)
	}
	t.tellDrained(n, now)
	return nil
}

func (t *turn) setMark(ctx context.Context, n *world.Node, m kube.Mark) error {
	return kube.PatchNode(ctx, t.Client, n.Object, func(o *corev1.Node) { kube.SetMark(o, m) })
}
