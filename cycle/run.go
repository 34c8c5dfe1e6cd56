package cycle

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// run decides for a pool with a run under way.
func (d *decision) run(w wanted) {
	run := d.report.Cycle
	if w.request != "" && w.request != run.Request {
		d.supersede(run, w)
		return
	}
	d.released(run)
	end := d.ends(run)
	over := d.ending(run, end)
	d.leaveVolumes(run)
	budget, err := d.budget(run)
	if err != nil && end == nil {
		d.wait(BadAnnotation, err.Error())
		return
	}
	if err != nil { // whatever else is wrong, a run can be ended
		budget = Budget{Desired: int(run.Desired), Zones: len(d.pool.Cloud.Zones())}
	}
	theirs, todo := []stale(nil), d.staleNodes(w, run, end != nil)
	if delegates(run, end) {
		theirs, todo = d.share(run, todo)
	}
	all := slices.Concat(theirs, todo)
	d.lacks = d.newcomers(run)
	for _, n := range d.pool.Nodes {
		if d.lacks[n] != "" {
			d.block(n, NotComplete, d.lacks[n])
		}
	}
	extra := d.extra(run, all)
	d.report.Floor, d.report.Ceiling, d.report.Stale = budget.Floor(), budget.Ceiling(), len(all)
	d.progress(run, all, end != nil)
	shrinks := d.lost(run)
	if delegates(run, end) && d.turnedOver(run, theirs) {
		d.goOn(run, slices.Concat(todo, extra))
		return
	}

	stopped := d.joins(run)
	d.takeBack(run)
	held := d.goOn(run, slices.Concat(todo, extra))
	d.taints(todo)
	d.keep(todo, end != nil)
	if !stopped || end != nil {
		p := d.pace(run, all, end != nil)
		if !shrinks { // growth would begin at a size that is no more
			d.surge(budget, run, todo, p)
		}
		d.isolate(budget, run, todo, extra, held, p)
		d.delegate(run, theirs, p.hold)
	}
	if over {
		d.leaveAsIs(run, end)
		return
	}
	d.finish(run, all, end)
}

// full is the budget of the run's strategy, wherever on the ladder it stands.
func (d *decision) full(run *v1alpha1.CycleStatus) Budget {
	desired := d.pool.Cloud.Size
	if run != nil {
		desired = int(run.Desired)
	}
	b, _ := BudgetOf(d.pool.CycleSpec(), desired, len(d.pool.Cloud.Zones()))
	return b.For(strategyOf(d.pool.CycleSpec(), run))
}

// budget is what the run may do now; before one begins, what it may do at best.
func (d *decision) budget(run *v1alpha1.CycleStatus) (Budget, error) {
	if _, err := BudgetOf(d.pool.CycleSpec(), 1, 1); err != nil {
		return Budget{}, err
	}
	b := d.full(run)
	if run == nil || strategyOf(nil, run) == v1alpha1.StrategyBlueGreen {
		return b, nil
	}
	return b.On(run.Rung), nil
}

// supersede replaces a run's request by a newer one. The desired size stays:
// it is what the pool had before any surge; that surge is the newer run's now.
func (d *decision) supersede(run *v1alpha1.CycleStatus, w wanted) {
	d.endRecord(run.Request, Aborted, "superseded by "+w.request)
	if value, ok := cycleValue(run.Request); ok {
		d.report.Last.CycleSeen = value // the newer run answers it too
	}
	d.start(w.request, reached{int(run.Desired), int(run.Greatest), int(run.Least)}, w)
}

// joins counts new instances that did not become available in time, deletes
// those that never became a Node, unless the run ends, and says whether there were
// too many.
func (d *decision) joins(run *v1alpha1.CycleStatus) (stopped bool) {
	ends := d.ends(run) != nil
	for _, n := range d.pool.Nodes {
		if !d.late(n, run) {
			continue
		}
		// The time that it had and not its age: a run that has stopped waits for a
		// person, and would write another sentence each minute until one comes.
		message := fmt.Sprintf("not available %s after its creation (%s%s)", d.joinTimeout(), n.Stage(), because(d.lacks[n]))
		d.block(n, JoinTimeout, message)
		switch {
		case slices.Contains(run.FailedJoins, string(n.ID())):
			if n.Object == nil && n.MarkErr == nil && !ends {
				d.do(nodeStep(DeleteInstance, n))
			}
		case len(run.FailedJoins) < d.maxFailed():
			run.FailedJoins = append(run.FailedJoins, string(n.ID()))
			s := nodeStep(CountJoinFailure, n)
			s.Message = message
			d.do(s)
		}
	}
	return d.tooManyFailed(run)
}

// tooManyFailed is whether a run has stopped since what it makes does not become a node.
func (d *decision) tooManyFailed(run *v1alpha1.CycleStatus) bool {
	if len(run.FailedJoins) < d.maxFailed() {
		return false
	}
	d.wait(JoinFailures, several(len(run.FailedJoins), "new node")+" did not become available: the run has stopped, old nodes are left alone; mend the cause and "+howToAskAgain(run))
	return true
}

// howToAskAgain is what a person has to do so that what has stopped is tried once
// more. A version cannot be given another value; but a request that was aborted is
// looked at again as soon as the abort is taken off.
func howToAskAgain(run *v1alpha1.CycleStatus) string {
	abort := "end the run with annotation " + v1alpha1.AnnotationAbort
	switch _, cycle := cycleValue(run.Request); {
	case cycle:
		return "set a new value of annotation " + v1alpha1.AnnotationCycle
	case single(run):
		return abort + " and set a new value on the node"
	}
	return abort + " and take that off again: the request is then looked at anew"
}

// late is whether a node born in this run has had its time to become available.
func (d *decision) late(n *world.Node, run *v1alpha1.CycleStatus) bool {
	if !coming(n) && d.lacks[n] == "" {
		return false
	}
	return d.born(n, run) && d.hadTime(n, d.awaited(n)) && n.Mark == nil
}

// awaited is since when a new node is waited for: since it was made or, if nothing
// but a verdict is missing, since there is somebody to come to one. The first look of
// a process that leads after a while of none would else count all that has joined
// meanwhile as failed, a moment before the doctor passes it.
func (d *decision) awaited(n *world.Node) time.Time {
	if n.Stage() == world.StageGated && unexamined(n) && d.policy.Since.After(n.Created()) {
		return d.policy.Since
	}
	return n.Created()
}

// failedNodes are new Nodes that were counted as failed: they are marked, looked at
// once more and deleted like any other. One that carries pods is left to people and
// to the doctor: for good if he has found something, since that may be what the run
// brings; for as long again if nobody could say anything of it. Then its pods are
// asked to leave: it holds the place of a node that could be counted on, and the run
// would wait for ever.
func (d *decision) failedNodes(run *v1alpha1.CycleStatus) []*world.Node {
	var out []*world.Node
	for _, n := range d.pool.Nodes {
		switch {
		case n.Object == nil || goingAway(n):
		case n.Mark != nil && n.Mark.Reason == string(JoinTimeout):
			out = append(out, n)
		case d.late(n, run) && slices.Contains(run.FailedJoins, string(n.ID())) &&
			(d.carriesNothing(n) || unexamined(n) && d.s.Now.Sub(d.awaited(n)) >= 2*d.joinTimeout()):
			out = append(out, n)
		}
	}
	return out
}

// unexamined is whether the doctor has come to no verdict on the node.
func unexamined(n *world.Node) bool {
	c := n.Condition(v1alpha1.NodeConditionProblem)
	return c == nil || c.Status == corev1.ConditionUnknown
}

func (d *decision) carriesNothing(n *world.Node) bool {
	pods := make([]corev1.Pod, 0, len(n.Pods))
	for _, p := range n.Pods {
		pods = append(pods, *p)
	}
	c := drain.Classify(n.Object, pods, d.s.DaemonSets, d.s.Now)
	return len(c.Evictable)+len(c.Leaving)+len(c.Blocked) == 0
}

// surge grows the pool, within the Ceiling.
func (d *decision) surge(b Budget, run *v1alpha1.CycleStatus, todo []stale, p pace) {
	if d.retrying(run) || d.failedEntries() > 0 {
		return
	}
	left, begun, q := 0, 0, d.queue(run, todo)
	for _, n := range todo {
		// What was seen empty is as good as gone: the cloud may go on listing it as
		// running for a while after its deletion, and no node is needed for it then.
		gone := goingAway(n.Node) || n.Mark != nil && n.Mark.Drained != nil
		switch {
		case gone && q.soaks(n.Node):
			// It stands and holds a place: a green node that was lost has to be made
			// anew beside it.
			begun++
			left++
		case gone || d.actionFor(n, run) != "":
		case n.Mark != nil:
			begun++
			left++
		case p.hold == nil || n.doctor || p.tries(n):
			left++
		}
	}
	// No more than may be begun need a successor.
	left = min(left, begun+p.room(inWork(todo)))
	rebalance := d.uneven(run, len(todo))
	if rebalance {
		left = 1
	}
	if by := b.Grow(d.pool.Cloud.Size, d.allMachines(), left); by > 0 {
		why := ""
		if rebalance {
			run.Rebalanced++
			why = d.lopsided()
		}
		d.raise(run, by, why)
	} else if d.report.Stages[world.StageLaunching.String()] == 0 {
		run.SurgeRetryAt, run.SurgeFailures = nil, 0
		d.up(run)
	}
}

// allMachines are all that exist or will, as far as anybody knows. Neither number alone is
// the truth: the list lags behind the size after a growth, and the size ahead of the list
// after a deletion.
func (d *decision) allMachines() int {
	all, _ := d.pool.Counts()
	return max(d.pool.Cloud.Size+d.report.Stages[world.StageTerminating.String()], all.Instances)
}

func (d *decision) raise(run *v1alpha1.CycleStatus, by int, why string) {
	size := d.pool.Cloud.Size
	reach(run, size+by)
	d.do(Step{Kind: Surge, From: size, To: size + by, Message: why})
}

// goOn is about the nodes that are marked already: those still wanted are
// emptied, the others given back. It returns how many are being emptied.
func (d *decision) goOn(run *v1alpha1.CycleStatus, going []stale) (held int) {
	q := d.queue(run, going)
	wanted := map[*world.Node]bool{}
	for _, n := range going {
		wanted[n.Node] = true
	}
	for _, n := range d.pool.Nodes {
		switch {
		case n.MarkErr != nil:
			d.block(n, MarkUnreadable, n.MarkErr.Error())
		case n.Mark != nil && n.Instance == nil:
			d.block(n, MachineGone, "the machine is gone; its Node will be removed by the cloud's node controller")
		case n.Mark == nil || goingAway(n):
		case n.Mark.Cause == kube.CauseScaleDown:
			// The run owns the size now; scale-down comes again when it is over.
			d.giveBack(n, NoLongerWanted, "a run is under way in the pool")
		case n.Mark.Acted != nil:
			d.empty(n) // a machine that is restarting is waited for, wanted or not
			held++
		case !wanted[n]:
			d.giveBack(n, NoLongerWanted, "the run does not want the node replaced any more")
		default:
			w := q.turn(n)
			if w.Reason == "" {
				d.empty(n)
			} else {
				d.block(n, w.Reason, w.Message)
			}
			switch {
			case w.Reason == Soaking:
				d.soaking++ // nothing changes on it by itself
			case !d.quarantined(n):
				held++
			}
		}
	}
	return held
}

// taints marks what the run will replace, so that evicted pods rather land on
// new nodes; it forbids nothing, since operators that fail over need room.
func (d *decision) taints(todo []stale) {
	wanted := map[*world.Node]string{}
	for _, n := range todo {
		wanted[n.Node] = n.message
	}
	count := 0
	for _, n := range d.pool.Nodes {
		if n.Object == nil || goingAway(n) || n.MarkErr != nil || count == maxTaintsPerTick {
			continue
		}
		message, want := wanted[n]
		if want == outdatedTaint(n) {
			continue
		}
		count++
		s := nodeStep(Untaint, n)
		if want {
			s.Kind, s.Message, s.Keep = Taint, message, d.pool.ScaleSpec() == nil
		}
		d.do(s)
	}
}

// finish ends the run when nothing is left to do and nothing of it is left on a
// node.
func (d *decision) finish(run *v1alpha1.CycleStatus, todo []stale, end *ending) {
	if d.doubtful() && len(todo) == 0 {
		d.wait(Finishing, fmt.Sprintf("the pool's size is %d and not %d: either a deletion does not show yet, or somebody has set it; that is clear in %s at the latest",
			d.pool.Cloud.Size, d.policy.Sizes[d.pool.Cloud.ID].Expected, deleteLag))
	}
	if len(todo) > 0 || len(d.steps) > 0 || d.pool.Cloud.Size != int(run.Desired) {
		return
	}
	if end == nil && run.OtherRelease {
		return // it waits for the release
	}
	if end == nil && run.Unconfirmed > 0 {
		d.wait(Finishing, "the last node was seen replaced by one look: the next one decides")
		return
	}
	for _, n := range d.pool.Nodes {
		switch {
		case n.Mark != nil || n.MarkErr != nil:
			d.wait(Finishing, fmt.Sprintf("node %s is on its way out", n.Name()))
			return
		case end == nil && (coming(n) || d.lacks[n] != "") && !d.late(n, run):
			d.wait(Finishing, fmt.Sprintf("waiting for new node %s to become available (%s%s)", n.Name(), n.Stage(), because(d.lacks[n])))
			return
		}
	}
	outcome, message := Succeeded, several(run.Replaced, "node")+" replaced"
	untold := d.untold(run)
	switch {
	case end == nil && untold != "" && d.awaitsWord(run):
		d.wait(Finishing, "Compute has not told yet which image these nodes run: "+untold)
		return
	case end != nil:
		outcome, message = end.outcome, end.message
	case run.Request == unlaunchedRequest:
		message = "the places of machines that could not be launched are filled"
	case run.Replaced == 0 && single(run):
		outcome, message = Aborted, "the request was taken back after "+several(run.Replaced, "node", "was", "were")+" replaced"
	case untold != "":
		message += "; Compute does not tell which image these run: " + untold
	}
	d.finishAs(run, outcome, message)
	d.forget()
}

// finishAs puts the run on record.
func (d *decision) finishAs(run *v1alpha1.CycleStatus, outcome, message string) {
	d.endRecord(run.Request, outcome, message)
	d.report.Cycle = nil
	d.do(Step{Kind: FinishRun, Request: run.Request, Outcome: outcome, Message: message})
}

func coming(n *world.Node) bool {
	switch n.Stage() {
	case world.StageLaunching, world.StageJoining, world.StageGated:
		return true
	}
	return false
}
