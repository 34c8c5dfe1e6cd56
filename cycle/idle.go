package cycle

import (
	"fmt"
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
		request = nodeRequestOf(d.pool, w)
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
	d.start(request, d.pool.Cloud.Size, w)
}

// nodeRequestOf is the request of a run that replaces single nodes: the first
// node's by name of instance; the others join the run.
func nodeRequestOf(p *world.Pool, w wanted) string {
	for _, n := range p.Nodes {
		if value, ok := w.nodes[n]; ok && machine(n) {
			return fmt.Sprintf("node/%s:%s=%s", n.Name(), v1alpha1.AnnotationCycle, value)
		}
	}
	return ""
}

// start records a run. Nothing else is done for it before the record stands.
func (d *decision) start(request string, desired int, w wanted) {
	run := &v1alpha1.CycleStatus{Request: request, StartedAt: metav1.NewTime(d.s.Now.Truncate(time.Second)), Desired: int32(desired)}
	run.Stale = int32(len(d.staleNodes(w, run, false)))
	d.report.Cycle = run
	d.report.Desired, d.report.Stale = desired, int(run.Stale)
	d.do(Step{Kind: StartRun, Request: request, To: desired, Message: fmt.Sprintf("%d nodes are to be replaced", run.Stale)})
}

// endRecord puts a request into the record of what was answered.
func (d *decision) endRecord(request, outcome, message string) {
	last := &v1alpha1.LastCycleStatus{Request: request, FinishedAt: metav1.NewTime(d.s.Now.Truncate(time.Second)), Outcome: outcome, Message: message}
	last.StartedAt = last.FinishedAt
	if run := d.report.Cycle; run != nil && run.Request == request {
		last.StartedAt, last.Replaced = run.StartedAt, run.Replaced
	}
	if d.report.Last != nil {
		last.CycleSeen = d.report.Last.CycleSeen
	}
	if value, ok := cycleValue(request); ok {
		last.CycleSeen = value
		if outcome == Aborted {
			last.CycleSeen = ""
		}
	}
	d.report.Last = last
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
		}
	}
}

// releaseAll gives back whatever tidemill holds in a pool that is nobody's.
func (d *decision) releaseAll(message string) {
	for _, n := range d.pool.Nodes {
		if n.Object != nil && n.MarkErr == nil && !goingAway(n) && (n.Mark != nil || outdatedTaint(n)) {
			d.giveBack(n, NoLongerWanted, message)
		}
	}
}

func (d *decision) giveBack(n *world.Node, r Reason, message string) {
	s := nodeStep(Release, n)
	s.Reason, s.Message = r, message
	d.do(s)
}
