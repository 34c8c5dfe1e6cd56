package cycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// idle decides for a pool without a run: begin one, or go on with scale-down.
func (d *decision) idle(w wanted) {
	request := w.request
	if request == "" {
		request = d.nodeRequestOf(w)
	}
	if request == "" {
		request = d.unlaunched()
	}
	d.giveBackLeftovers()
	if request == "" {
		d.scaleDown()
		return
	}
	for _, n := range d.pool.Nodes {
		// Until it is gone the size has a node too many in it, and desired would
		// be recorded wrongly.
		if n.Mark != nil && n.Mark.Cause == kube.CauseScaleDown && n.Stage() == world.StageDrained {
			d.wait(ScaleDownFirst, fmt.Sprintf("node %s, emptied by scale-down, is deleted first", n.Name()))
			d.scaleDown()
			return
		}
	}
	size := d.pool.Cloud.Size
	// A size read late may count machines that are on their way out still, and one
	// that was read early does not.
	leaving := d.report.Stages[world.StageTerminating.String()]
	d.start(request, reached{size, size + leaving, size - leaving}, w)
}

// nodeRequestOf is the request of a run that replaces single nodes: the first
// node's by name of instance; the others join the run. What an abort has ended is not
// among them, see nodeRequest; nor what our own doctor may be about to take back.
func (d *decision) nodeRequestOf(w wanted) string {
	for _, n := range d.pool.Nodes {
		value, ok := w.nodes[n]
		if !ok || !machine(n) {
			continue
		}
		if _, asked, _ := kube.ParseRepairRequest(value); asked && doubted(n, d.s.Now) {
			d.block(n, NotExamined, lookFirst)
			continue
		}
		return world.NodeRequest(n, value)
	}
	return ""
}

// start records a run. Nothing else is done for it before the record stands.
func (d *decision) start(request string, sizes reached, w wanted) {
	desired := sizes.desired
	run := &v1alpha1.CycleStatus{Request: request, StartedAt: metav1.NewTime(d.s.Now.Truncate(time.Second)), Desired: int32(desired),
		Greatest: int32(sizes.greatest), Least: int32(max(sizes.least, 0)), NodePoolID: string(d.pool.Cloud.ID), Target: target(d.pool.Cloud),
		AbortSeen: d.annotation(v1alpha1.AnnotationAbort)}
	if s := strategyOf(d.pool.CycleSpec(), nil); s != v1alpha1.StrategySurge && !single(run) {
		run.Strategy = s
	}
	todo := d.staleNodes(w, run, false)
	if delegates(run, nil) {
		run.Least = 0 // what the cloud orders is on no record
		theirs, ours := d.share(run, todo)
		todo = slices.Concat(theirs, ours) // what is left alone was never to be replaced
	}
	run.Stale, run.Machines, run.Previous = int32(len(todo)), d.older(run, todo), previous(todo)
	d.report.Cycle = run
	d.report.Desired, d.report.Stale = desired, int(run.Stale)
	d.do(Step{Kind: StartRun, Request: request, To: desired, Message: several(run.Stale, "node", "is", "are") + " to be replaced"})
}

// endRecord puts a request into the record of what was answered.
//
// A refusal stays there until its annotation is another one. A run that one node
// asked for must not make it forgotten: the pool would be turned over when that
// ends, long after a person was told no.
func (d *decision) endRecord(request, outcome, message string) {
	if run := d.report.Cycle; run != nil && single(run) && run.Request == request && d.refusalStands() &&
		(outcome == Succeeded || run.AbortSeen == d.annotation(v1alpha1.AnnotationAbort)) {
		return
	}
	last := &v1alpha1.LastCycleStatus{Request: request, FinishedAt: metav1.NewTime(d.s.Now.Truncate(time.Second)), Outcome: outcome, Message: message}
	last.StartedAt = last.FinishedAt
	if run := d.report.Cycle; run != nil && run.Request == request {
		last.StartedAt, last.Replaced, last.Previous = run.StartedAt, run.Replaced, run.Previous
	}
	d.carryOver(last, request, outcome)
	d.keepSeen(last)
	if value, ok := cycleValue(request); ok {
		last.CycleSeen = value
		if outcome == Aborted {
			last.CycleSeen = ""
		}
	}
	d.report.Last = last
}

// refusalStands is whether the last answer was no and the request is still there.
func (d *decision) refusalStands() bool {
	last := d.report.Last
	if last == nil || last.Outcome != Refused {
		return false
	}
	key, value, _ := strings.Cut(last.Request, "=")
	return value != "" && d.annotation(key) == value
}

// carryOver keeps what the record before this one knew and still matters.
func (d *decision) carryOver(last *v1alpha1.LastCycleStatus, request, outcome string) {
	last.Target = target(d.pool.Cloud)
	if before := d.report.Last; before != nil {
		last.CycleSeen, last.RolledBack = before.CycleSeen, before.RolledBack
		if last.Previous == nil {
			last.Previous = before.Previous
		}
	}
	run := d.report.Cycle
	aborted := outcome == Aborted && run != nil && run.AbortSeen != d.annotation(v1alpha1.AnnotationAbort)
	if aborted {
		last.AbortSeen = d.annotation(v1alpha1.AnnotationAbort)
	}
	d.keepAborted(last, aborted && single(run))
	if strings.HasPrefix(request, v1alpha1.AnnotationRollback+"=") && outcome != Refused {
		last.RolledBack = d.annotation(v1alpha1.AnnotationUpgradeTo)
	}
}

// giveBackLeftovers takes off what a run left that is no more: the process died
// after the last node was marked and before the run was seen to be ended by
// somebody else.
func (d *decision) giveBackLeftovers() {
	for _, n := range d.pool.Nodes {
		if n.Object == nil || n.MarkErr != nil || goingAway(n) {
			continue
		}
		if n.Mark != nil && n.Mark.Cause != kube.CauseScaleDown {
			d.giveBack(n, NoLongerWanted, "no run is under way")
		} else if n.Mark == nil && outdatedTaint(n) {
			d.do(nodeStep(Untaint, n))
		} else if d.carries(n) {
			d.do(nodeStep(Forget, n))
		}
	}
}

// releaseAll gives back whatever tidemill holds in a pool that is nobody's.
func (d *decision) releaseAll(message string) {
	for _, n := range d.pool.Nodes {
		if n.Object != nil && n.MarkErr == nil && !goingAway(n) && (n.Mark != nil || outdatedTaint(n) || carries(n)) {
			d.giveBack(n, NoLongerWanted, message)
		}
	}
}

func (d *decision) giveBack(n *world.Node, r Reason, message string) {
	s := nodeStep(Release, n)
	s.Reason, s.Message = r, message
	d.do(s)
}
