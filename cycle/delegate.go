package cycle

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// A run that OKE carries out is two people's work. OKE renews the nodes that differ
// from their pool and nothing else: not a node that somebody has asked for by name, nor
// a machine that never became a node, nor the surge node of a run before this one. Those
// are tidemill's, as in any other run. They take turns, since OKE refuses a smaller size
// while it cycles, and may find too few nodes at work to go on:
//
//	tidemill: give marks back, do what is asked by name ─► ask ─┐
//	   ▲                                                        ▼
//	   └── nodes that differ are left: a pause, and why ◄── OKE: one node after the other
//
// What cannot go on here, such as a drain that a budget forbids, is not waited for.

// delegates is whether OKE carries out the run, as long as it goes on.
func delegates(run *v1alpha1.CycleStatus, end *ending) bool {
	return end == nil && strategyOf(nil, run) == v1alpha1.StrategyDelegate
}

// share splits what a run has to replace into OKE's and tidemill's part. A machine
// that never became a node is in neither: see extra.
func (d *decision) share(run *v1alpha1.CycleStatus, todo []stale) (theirs, ours []stale) {
	for _, n := range todo {
		switch {
		case n.request:
			ours = append(ours, n)
		case !d.neverCame(n.Node, run) && d.differs(n.Node):
			theirs = append(theirs, n)
		}
	}
	return theirs, ours
}

// differs is whether OKE's own cycling would renew the node.
func (d *decision) differs(n *world.Node) bool {
	return drift(n, d.pool.Cloud.Release) != "" || len(configDrift(n, d.pool.Cloud)) > 0
}

// turnedOver is whether OKE has the pool's nodes in hand. That tidemill empties some
// says that it has not: it is not asked before those are gone. Who has asked in vain
// knows that only when the answer to it had time to show.
func (d *decision) turnedOver(run *v1alpha1.CycleStatus, theirs []stale) bool {
	asked := run.DelegatedAt != nil && d.unasked() == "" && d.s.Now.Sub(run.DelegatedAt.Time) < delegateRetry
	switch {
	case slices.ContainsFunc(d.pool.Nodes, d.inHand):
		return false
	case d.pool.Cloud.Health.Updating && run.DelegatedAt == nil:
		d.wait(Delegated, "OKE is at work on the node pool, and is asked to cycle it when that is done")
	case d.pool.Cloud.Health.Updating, len(theirs) > 0 && asked:
		d.wait(Delegated, "OKE cycles the node pool itself: "+several(len(theirs), "node", "is", "are")+" left")
	default:
		return false
	}
	for _, n := range d.pool.Nodes {
		if _, asked := d.nodeRequest(n); asked {
			d.block(n, Delegated, "OKE has the node pool in hand: what is asked for on the node follows when it is done")
		}
	}
	return true
}

// inHand is whether tidemill is renewing the node, or restarting it.
func (d *decision) inHand(n *world.Node) bool {
	return n.Mark != nil && n.Mark.Cause != kube.CauseScaleDown && n.Instance != nil && !d.quarantined(n)
}

// delegate lets the cloud turn the pool over. Asking again while it works is answered
// with a conflict, so that a lost answer costs nothing.
func (d *decision) delegate(run *v1alpha1.CycleStatus, theirs []stale, hold *Wait) {
	var left []string
	for _, n := range theirs {
		if n.Instance != nil {
			left = append(left, n.Name())
		}
	}
	again, why := d.askedAgain(run), fmt.Sprintf("OKE has ended its node cycling and left %s (%s): its work request says why", several(len(left), "node"), few(left))
	if unasked := d.unasked(); unasked != "" {
		why = "OKE could not be asked to cycle the node pool: " + unasked
	}
	switch {
	case len(left) == 0:
	case hold != nil:
		d.wait(hold.Reason, hold.Message)
	case d.s.Now.Before(again):
		d.wait(DelegateUnfinished, why+"; it is asked again at "+clock(&again))
	case len(d.steps) > 0 || d.pool.Cloud.Health.Updating || slices.ContainsFunc(d.pool.Nodes, d.inHand) || d.failedEntries() > 0 ||
		d.pool.Cloud.Size < int(run.Desired): // OKE's floor would be too low
		d.wait(Delegated, "OKE is asked to cycle the node pool when what tidemill does in it is done: "+several(len(left), "node", "differs", "differ"))
	default:
		if run.DelegatedAt == nil || d.unasked() == "" {
			run.Delegations++
		}
		run.DelegatedAt = timestamp(d.s.Now)
		b, _ := d.budget(run)
		how := cloudprovider.Cycling{MaxSurge: b.Surge, MaxUnavailable: b.Unavailable, Grace: min(d.drainTimeout(), time.Hour)}
		d.do(Step{Kind: Delegate, Cycling: &how, Message: several(len(left), "node", "differs", "differ")})
	}
}

const (
	// delegateRetry is how long the cloud may take to show that it has begun.
	delegateRetry = 5 * time.Minute
	// delegatePause is how long it is left alone at most after it has failed: long
	// enough for the alert of a run that stands still.
	delegatePause = time.Hour
)

func (d *decision) unasked() string { return d.policy.Unasked[d.pool.Cloud.ID] }

// askedAgain is when the cloud is asked once more: after pauses that double with each
// asking, whatever the run had waited for before. That it could not be asked says nothing
// of its work.
func (d *decision) askedAgain(run *v1alpha1.CycleStatus) time.Time {
	if run.DelegatedAt == nil {
		return time.Time{}
	}
	pause := delegateRetry << min(max(run.Delegations-1, 0), 4) // 80 minutes, cut below
	if d.unasked() != "" {
		pause = delegateRetry
	}
	return run.DelegatedAt.Add(min(pause, delegatePause))
}
