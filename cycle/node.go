package cycle

import (
	"strings"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// nodeStep is a step about one node.
func nodeStep(k Kind, n *world.Node) Step {
	s := Step{Kind: k, Node: n.Name(), Instance: n.ID()}
	if n.Object != nil {
		s.NodeUID = n.Object.UID
	}
	if n.Mark != nil {
		s.Cause = n.Mark.Cause
	}
	return s
}

// goingAway is whether the machine is being deleted or gone: nothing has to be
// given back to such a Node.
func goingAway(n *world.Node) bool {
	return n.Instance == nil || n.Stage() == world.StageTerminating
}

// emptying is whether the node is marked and still has to be drained.
func emptying(n *world.Node) bool {
	return n.Mark != nil && n.MarkErr == nil && n.Mark.Drained == nil && !goingAway(n)
}

func outdatedTaint(n *world.Node) bool {
	if n.Object == nil {
		return false
	}
	for _, t := range n.Object.Spec.Taints {
		if t.Key == v1alpha1.TaintOutdated {
			return true
		}
	}
	return false
}

// uncordonedByHand is whether somebody made a node schedulable that tidemill has
// taken. It is theirs then, also if the cordon was a person's before it was
// tidemill's: a mark without one is a drain that never ends. Once the machine was
// restarted on our order it need not be a person: OKE uncordons what has booted,
// whoever's cordon it was.
func uncordonedByHand(n *world.Node) bool {
	return n.Mark != nil && n.Mark.Acted == nil && !n.Object.Spec.Unschedulable
}

// cycleValue is the value of a pool's cycle request.
func cycleValue(request string) (string, bool) {
	return strings.CutPrefix(request, v1alpha1.AnnotationCycle+"=")
}

// upgradeValue is the version of a request to upgrade a pool.
func upgradeValue(request string) (string, bool) {
	return strings.CutPrefix(request, v1alpha1.AnnotationUpgradeTo+"=")
}

// strays are Nodes with tidemill's marks that belong to no pool any more: the
// node pool was deleted, and a Node stayed.
func strays(s *world.Snapshot) []Step {
	if s.CloudErr != nil {
		return nil
	}
	var steps []Step
	for _, n := range s.Unmanaged {
		if n.Object == nil || n.MarkErr != nil || n.Mark == nil && !outdatedTaint(n) && !carries(n) {
			continue
		}
		step := nodeStep(Release, n)
		step.Reason, step.Message = NoLongerWanted, "the node is in no node pool"
		steps = append(steps, step)
	}
	return steps
}

// decideOrphan ends the run of a Pool whose node pool vanished. Of one that a silent
// cloud has not named nothing is known but what Kubernetes tells: that is not counted,
// and what of it is over time is given back.
func decideOrphan(s *world.Snapshot, o world.Orphan, p Policy) *decision {
	d := newDecision(s, &world.Pool{Name: o.Object.Name, Object: o.Object}, p)
	d.wait(Reason(o.Reason), o.Message)
	if o.Reason == world.CloudUnavailable {
		d.pool.Nodes = o.Nodes
		d.unheard(o.Message)
		return d
	}
	run := o.Object.Status.Cycle
	if run == nil || s.CloudErr != nil || o.Reason != world.NodePoolNotFound {
		return d
	}
	d.endRecord(run.Request, Aborted, o.Message)
	d.report.Cycle = nil
	d.do(Step{Kind: FinishRun, Request: run.Request, Outcome: Aborted, Reason: NodePoolGone, Message: o.Message})
	return d
}
