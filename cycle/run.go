package cycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
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
	budget, err := d.budget()
	if err != nil {
		d.wait(BadAnnotation, err.Error())
		return
	}
	aborted := d.aborted(run)
	todo := d.staleNodes(w, run, aborted)
	extra := d.extra(run, todo)
	d.report.Floor, d.report.Ceiling, d.report.Stale = budget.Floor(), budget.Ceiling(), len(todo)
	d.progress(run, len(todo), aborted)

	stopped := d.joins(run)
	d.takeBack(run)
	held := d.goOn(slices.Concat(todo, extra))
	d.taints(todo)
	if !stopped || aborted {
		d.surge(budget, run, todo)
		d.isolate(budget, todo, extra, held)
	}
	d.finish(run, todo, aborted)
}

func (d *decision) budget() (Budget, error) {
	return BudgetOf(d.pool.CycleSpec(), d.pool.Desired(), len(d.pool.Cloud.Zones()))
}

// supersede replaces a run's request by a newer one. The desired size stays:
// it is what the pool had before any surge.
func (d *decision) supersede(run *v1alpha1.CycleStatus, w wanted) {
	d.endRecord(run.Request, Aborted, "superseded by "+w.request)
	if value, ok := cycleValue(run.Request); ok {
		d.report.Last.CycleSeen = value // the newer run answers it too
	}
	d.start(w.request, int(run.Desired), w)
}

// aborted is whether the pool's request was taken back in the middle.
func (d *decision) aborted(run *v1alpha1.CycleStatus) bool {
	if strings.HasPrefix(run.Request, "node/") {
		return false // such a run ends when no node asks any more
	}
	key, _, _ := strings.Cut(run.Request, "=")
	_, there := d.pool.Object.Annotations[key]
	return !there || d.pool.CycleSpec() == nil
}

// progress brings the record's counts up to date. What was replaced is the
// difference to what there was, not a counter that a crash could miss.
func (d *decision) progress(run *v1alpha1.CycleStatus, left int, aborted bool) {
	if !aborted {
		run.Replaced = max(run.Replaced, run.Stale+run.Replaced-int32(left))
	}
	run.Stale = int32(left)
}

// joins counts new instances that did not become available in time, deletes
// those that never became a Node, and says whether there were too many.
func (d *decision) joins(run *v1alpha1.CycleStatus) (stopped bool) {
	for _, n := range d.pool.Nodes {
		if !d.late(n, run) {
			continue
		}
		message := fmt.Sprintf("not available %s after its creation (%s)", d.s.Now.Sub(n.Created()).Round(time.Minute), n.Stage())
		d.block(n, JoinTimeout, message)
		switch {
		case slices.Contains(run.FailedJoins, string(n.ID())):
			if n.Object == nil && n.MarkErr == nil {
				d.do(nodeStep(DeleteInstance, n))
			}
		case len(run.FailedJoins) < d.policy.MaxJoinFailures:
			run.FailedJoins = append(run.FailedJoins, string(n.ID()))
			s := nodeStep(CountJoinFailure, n)
			s.Message = message
			d.do(s)
		}
	}
	if len(run.FailedJoins) < d.policy.MaxJoinFailures {
		return false
	}
	d.wait(JoinFailures, fmt.Sprintf("%d new nodes did not become available: the run has stopped, old nodes are left alone; mend the cause and set a new value", len(run.FailedJoins)))
	return true
}

// late is whether a node born in this run has had its time to become available.
func (d *decision) late(n *world.Node, run *v1alpha1.CycleStatus) bool {
	switch n.Stage() {
	case world.StageLaunching, world.StageJoining, world.StageGated:
	default:
		return false
	}
	created := n.Created()
	return !created.IsZero() && !created.Before(run.StartedAt.Time) && d.s.Now.Sub(created) >= d.policy.JoinTimeout && n.Mark == nil
}

// failedNodes are new Nodes that were counted as failed and carry no load: they
// are marked, looked at once more and deleted like any other. One that carries
// pods is left to people and to the doctor.
func (d *decision) failedNodes(run *v1alpha1.CycleStatus) []*world.Node {
	var out []*world.Node
	for _, n := range d.pool.Nodes {
		switch {
		case n.Object == nil || goingAway(n):
		case n.Mark != nil && n.Mark.Reason == string(JoinTimeout):
			out = append(out, n)
		case d.late(n, run) && slices.Contains(run.FailedJoins, string(n.ID())) && d.carriesNothing(n):
			out = append(out, n)
		}
	}
	return out
}

func (d *decision) carriesNothing(n *world.Node) bool {
	pods := make([]corev1.Pod, 0, len(n.Pods))
	for _, p := range n.Pods {
		pods = append(pods, *p)
	}
	c := drain.Classify(n.Object, pods, d.s.DaemonSets, d.s.Now)
	return len(c.Evictable)+len(c.Leaving)+len(c.Blocked) == 0
}

// takeBack gives up entries that the cloud had no room for, and notes when to
// try again.
func (d *decision) takeBack(run *v1alpha1.CycleStatus) {
	failed, why := 0, ""
	for _, n := range d.pool.Nodes {
		if n.Instance != nil && n.Instance.State == cloudprovider.Failed {
			failed++
			if f := n.Instance.Fault; f != nil && why == "" {
				why = fmt.Sprintf("%s: %s", f.Class, f.Message)
			}
		}
	}
	retrying := d.retrying(run)
	if failed > 0 && !retrying {
		wait := min(d.policy.SurgeRetryMin<<min(run.SurgeFailures, 10), d.policy.SurgeRetryMax)
		until := d.s.Now.Add(wait).UTC().Truncate(time.Second)
		run.SurgeRetryAt, run.SurgeFailures = &metav1.Time{Time: until}, run.SurgeFailures+1
		d.do(Step{Kind: BackOff, Until: &until, Reason: InsufficientCapacity, Message: why})
		retrying = true
	}
	if failed > 0 {
		size := d.pool.Cloud.Size
		d.do(Step{Kind: TakeBack, From: size, To: max(size-failed, 0), Reason: InsufficientCapacity, Message: why})
	}
	if retrying {
		d.wait(InsufficientCapacity, fmt.Sprintf("the cloud had no room for new nodes; the next try is at %s%s", run.SurgeRetryAt.UTC().Format(time.RFC3339), because(why)))
	}
}

func (d *decision) retrying(run *v1alpha1.CycleStatus) bool {
	return run.SurgeRetryAt != nil && d.s.Now.Before(run.SurgeRetryAt.Time)
}

// surge grows the pool, within the Ceiling.
func (d *decision) surge(b Budget, run *v1alpha1.CycleStatus, todo []stale) {
	if d.retrying(run) || d.failedEntries() > 0 {
		return
	}
	left := 0
	for _, n := range todo {
		// What was seen empty is as good as gone: the cloud may go on listing it as
		// running for a while after its deletion, and no node is needed for it then.
		if !goingAway(n.Node) && (n.Mark == nil || n.Mark.Drained == nil) {
			left++
		}
	}
	rebalance := d.uneven(run, len(todo))
	if rebalance {
		left = 1
	}
	all, _ := d.pool.Counts()
	size := d.pool.Cloud.Size
	// Neither number alone is the truth: the list lags behind the size after a
	// growth, and the size ahead of the list after a deletion.
	machines := max(size+d.report.Stages[world.StageTerminating.String()], all.Instances)
	if by := b.Grow(size, machines, left); by > 0 {
		if rebalance {
			run.Rebalanced++
		}
		d.do(Step{Kind: Surge, From: size, To: size + by})
	} else if d.report.Stages[world.StageLaunching.String()] == 0 {
		run.SurgeRetryAt, run.SurgeFailures = nil, 0
	}
}

func (d *decision) failedEntries() int { return d.report.Stages[world.StageFailed.String()] }

// goOn is about the nodes that are marked already: those still wanted are
// emptied, the others given back. It returns how many are being emptied.
func (d *decision) goOn(going []stale) (held int) {
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
		case !wanted[n]:
			d.giveBack(n, NoLongerWanted, "the run does not want the node replaced any more")
		default:
			d.empty(n)
			held++
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
			s.Kind, s.Message = Taint, message
		}
		d.do(s)
	}
}

// finish ends the run when nothing is left to do and nothing of it is left on a
// node.
func (d *decision) finish(run *v1alpha1.CycleStatus, todo []stale, aborted bool) {
	if len(todo) > 0 || len(d.steps) > 0 || d.pool.Cloud.Size != d.pool.Desired() {
		return
	}
	for _, n := range d.pool.Nodes {
		switch {
		case n.Mark != nil || n.MarkErr != nil:
			d.wait(Finishing, fmt.Sprintf("node %s is on its way out", n.Name()))
			return
		case !aborted && coming(n) && !d.late(n, run):
			d.wait(Finishing, fmt.Sprintf("waiting for new node %s to become available (%s)", n.Name(), n.Stage()))
			return
		}
	}
	outcome, message := Succeeded, fmt.Sprintf("%d nodes replaced", run.Replaced)
	if aborted || run.Replaced == 0 && strings.HasPrefix(run.Request, "node/") {
		outcome, message = Aborted, fmt.Sprintf("the request was taken back after %d nodes were replaced", run.Replaced)
	}
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
