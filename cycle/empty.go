package cycle

import (
	"fmt"
	"time"

	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// empty goes on with one marked node: delete it when it was seen empty, give it
// back when its time is up or somebody wants it, drain it otherwise.
func (d *decision) empty(n *world.Node) {
	switch {
	case n.MarkErr != nil:
		d.block(n, MarkUnreadable, n.MarkErr.Error())
	case goingAway(n):
	case uncordonedByHand(n):
		d.skip(n, Uncordoned, "somebody made the node schedulable")
	case n.Mark.Action != "" && lostMachine(n):
		// Nothing can be restarted. What comes next is asked for anew: to be replaced.
		d.notBack(n, "its machine does not exist any more: "+n.Instance.Fault.Message)
	case n.Mark.Drained != nil && n.Mark.Action != "":
		d.renew(n)
	case n.Mark.Drained != nil:
		d.do(nodeStep(DeleteInstance, n))
	case d.protected(n):
		d.giveBack(n, DoNotDisrupt, "the node is protected by annotation")
	case d.policy.yields[n.Object.UID] != "":
		d.skip(n, PeerDeadlock, d.policy.yields[n.Object.UID])
	case d.timedOut(n):
		d.atTimeout(n)
	default:
		d.report.Draining++
		d.explain(n)
		d.do(nodeStep(Drain, n))
	}
}

// maxSkips is how many times SkipFor a node is left alone at most.
const maxSkips = 6

// skip gives a node back for a while, so that one that cannot be emptied does
// not hold up the others. Each drain that runs out of time doubles the while: a
// budget that never allows anything is asked ever more seldom, and each try moves
// the pods that it does not protect.
func (d *decision) skip(n *world.Node, r Reason, message string) {
	given, _ := skipped(n)
	if r == TimedOut {
		given.Times++
		if given.Alone++; d.othersEmptied(n) {
			given.Alone = 0
		}
	}
	until := d.s.Now.Add(d.policy.skipFor(given.Times)).UTC().Truncate(time.Second)
	s := nodeStep(Skip, n)
	s.Reason, s.Message, s.Until, s.Tries, s.Alone = r, message, &until, given.Times, given.Alone
	d.do(s)
}

func (d *decision) timedOut(n *world.Node) bool {
	return n.Mark.DrainStarted != nil && d.s.Now.Sub(*n.Mark.DrainStarted) >= d.patience(n)
}

func (d *decision) protected(n *world.Node) bool {
	if n.Object == nil {
		return false
	}
	protected, malformed := world.DoNotDisrupt(n.Object.Annotations, n.Created(), d.s.Now)
	return protected || malformed
}

// explain reports what keeps the node's pods, as far as the last step knew.
func (d *decision) explain(n *world.Node) {
	if p := d.policy.Drains[n.Object.UID]; len(p.Blocked) > 0 {
		d.block(n, DrainBlocked, d.whatBlocks(n))
	}
}

func (d *decision) whatBlocks(n *world.Node) string {
	p, known := d.policy.Drains[n.Object.UID]
	if !known {
		return "it was not seen empty in time"
	}
	switch len(p.Blocked) {
	case 0:
		if len(p.Waiting) > 0 {
			return p.Waiting[0].String()
		}
		return several(p.Left, "pod", "is", "are") + " left"
	case 1:
		return p.Blocked[0].String()
	}
	return fmt.Sprintf("%s; and %s", p.Blocked[0], several(len(p.Blocked)-1, "more pod"))
}

// Scale-down takes a node and its place together and so never deepens a
// shortfall; it stops only for a common cause. The numbers are
// cluster-autoscaler's: more than three nodes and more than 45 % of the pool.
const (
	scaleDownBrake        = 3
	scaleDownBrakePercent = 45
)

// scaleDown goes on with what scale has marked.
func (d *decision) scaleDown() {
	bad := 0
	for _, n := range d.pool.Nodes {
		if n.Stage() == world.StageBroken {
			bad++
		}
	}
	braked := bad > scaleDownBrake && bad*100 > scaleDownBrakePercent*d.pool.Cloud.Size
	emptied := 0
	for _, n := range d.pool.Nodes {
		if n.Mark == nil || n.Mark.Cause != kube.CauseScaleDown || goingAway(n) {
			continue
		}
		switch {
		case d.pool.ScaleSpec() == nil:
			d.giveBack(n, NoLongerWanted, "scaling is off for this pool")
		case braked:
			d.wait(Braked, fmt.Sprintf("%d of %d nodes are broken: nothing is taken before that is understood", bad, d.pool.Cloud.Size))
		case emptying(n) && n.Mark.DrainStarted == nil && emptied >= d.policy.MaxParallelDrains:
			d.block(n, ParallelDrains, several(emptied, "node", "is", "are")+" being emptied")
		default:
			d.empty(n)
			emptied++
		}
	}
}
