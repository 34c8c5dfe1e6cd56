package cycle

import (
	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// A pause stops what disturbs, and nothing else: no node is taken, nothing is evicted,
// no machine goes. Pods that need nodes get them, as in a paused pool without a run, where
// scaling asks the cloud itself:
//
//	pods pending ─► scaling raises run.desired ─► paused: the pool grows to that
//	                                                 │ and by as many as are cordoned, within the surge
//	                                                 └ not if new nodes have failed to join, or OKE has the pool in hand

// paused is the decision for a pool that is.
func (d *decision) paused() {
	run, stopped := d.report.Cycle, false
	if run != nil {
		stopped = d.tooManyFailed(run) // it would stand still without the pause too
	}
	d.wait(Paused, "annotation "+v1alpha1.AnnotationPause+" is set"+d.abortedInPause())
	if run != nil && !stopped {
		d.growInPause(run)
		d.sink(run)
	}
}

// growInPause raises the pool to the size that it is to have, and takes back what the
// cloud had no room for. A cordoned node is no place for a pod: one stands in for it, if
// the run may have that many.
func (d *decision) growInPause(run *v1alpha1.CycleStatus) {
	budget, err := d.budget(run)
	if err != nil || d.pool.HandedOver() {
		return
	}
	d.takeBack(run)
	if d.retrying(run) || d.failedEntries() > 0 {
		return
	}
	cordoned := 0
	for _, n := range d.pool.Nodes {
		if n.Mark != nil && !goingAway(n) {
			cordoned++
		}
	}
	if by := budget.Grow(d.pool.Cloud.Size, d.allMachines(), cordoned); by > 0 {
		d.raise(run, by, "")
	}
}

// abortedInPause gives back what a run has cordoned that is aborted while its pool
// is paused: that takes nothing from anybody, and whoever does both wants it most. The
// rest, which ends machines, waits for the pause to end; so it is said.
func (d *decision) abortedInPause() string {
	run := d.pool.Run()
	if run == nil || d.annotation(v1alpha1.AnnotationAbort) == "" || d.annotation(v1alpha1.AnnotationAbort) == run.AbortSeen {
		return ""
	}
	for _, n := range d.pool.Nodes {
		if n.Object != nil && n.Mark != nil && n.MarkErr == nil && n.Mark.Acted == nil && n.Mark.Cause != kube.CauseScaleDown && !goingAway(n) {
			d.giveBack(n, NoLongerWanted, "the run was aborted")
		}
	}
	return "; the aborted run has given its nodes back, and ends when that is taken off"
}
