package cycle

import (
	"cmp"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// What becomes of a node that does not become empty:
//
//	drain started ── timeout ──┬─ Skip        uncordoned, tried again after all others
//	                           ├─ Quarantine  stays cordoned, asked on, its slot is free
//	                           ├─ Pause       asked on, nothing new is begun
//	                           └─ Force       after forceAfter, in a window: one pod at a time
//
// A node that scale-down takes is always skipped: nobody needs it to go.

// onTimeout is what the user wants done with the node.
func (d *decision) onTimeout(n *world.Node) v1alpha1.DrainTimeoutAction {
	spec := drainSpec(d.pool)
	if spec == nil || spec.OnTimeout == "" || n.Mark.Cause == kube.CauseScaleDown {
		return v1alpha1.DrainSkip
	}
	return spec.OnTimeout
}

// atTimeout goes on with a node whose drain has run out of time.
func (d *decision) atTimeout(n *world.Node) {
	s := nodeStep(Drain, n)
	switch d.onTimeout(n) {
	case v1alpha1.DrainForce:
		s.Force = d.mayForce(n)
	case v1alpha1.DrainPause:
	case v1alpha1.DrainQuarantine:
		if !d.quarantined(n) {
			d.skip(n, TimedOut, d.whatBlocks(n))
			return
		}
	default:
		d.skip(n, TimedOut, d.whatBlocks(n))
		return
	}
	d.report.Draining++
	d.block(n, DrainBlocked, d.whatBlocks(n))
	d.do(s)
}

// mayForce is whether the time for it has come and a window is open.
func (d *decision) mayForce(n *world.Node) bool {
	spec := d.pool.Object.Spec.Cycle
	var after time.Duration
	if spec.Drain.ForceAfter != nil {
		after = spec.Drain.ForceAfter.Duration
	}
	open, _, err := windowsAt(spec.Windows, d.s.Now)
	return err == nil && open && d.s.Now.Sub(*n.Mark.DrainStarted) >= d.patience(n)+after
}

// patience is how long the node's drain may take: the timeout, after the time that
// its pods are given to complete.
func (d *decision) patience(n *world.Node) time.Duration {
	return d.drainTimeout() + drain.Patience(n.Pods, terms(d.pool))
}

// quarantined is whether the node is one of those that stay cordoned with their
// stand-ins. One place in the budget remains, or the run could not go on; who was
// there first keeps it.
func (d *decision) quarantined(n *world.Node) bool {
	if n.Mark == nil || n.Object == nil || d.onTimeout(n) != v1alpha1.DrainQuarantine || !emptying(n) || !d.timedOut(n) {
		return false
	}
	b, err := d.budget(d.report.Cycle)
	if err != nil {
		return false
	}
	before := 0
	for _, o := range d.pool.Nodes {
		// Drains begin at the same instant when one look takes several nodes.
		if emptying(o) && d.timedOut(o) && cmp.Or(o.Mark.DrainStarted.Compare(*n.Mark.DrainStarted), cmp.Compare(o.ID(), n.ID())) < 0 {
			before++
		}
	}
	return before < b.Surge+b.Unavailable-1
}

// stuck holds a run whose policy is to pause at the first node that does not
// become empty.
func (d *decision) stuck(_ *v1alpha1.CycleStatus, spec *v1alpha1.CycleSpec, _ []stale) *Wait {
	if spec.Drain == nil || spec.Drain.OnTimeout != v1alpha1.DrainPause {
		return nil
	}
	for _, n := range d.pool.Nodes {
		if emptying(n) && n.Object != nil && d.timedOut(n) && d.onTimeout(n) == v1alpha1.DrainPause {
			return &Wait{DrainStuck, fmt.Sprintf("node %s does not become empty, and spec.cycle.drain.onTimeout is Pause: %s", n.Name(), d.whatBlocks(n))}
		}
	}
	return nil
}
