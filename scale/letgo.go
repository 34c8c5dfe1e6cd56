package scale

import (
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/scale/vacate"
)

// judgeNode decides about one candidate: it stays, its time runs, or it goes.
func (s *shrinking) judgeNode(c *candidate) {
	p, n := c.pool, c.node
	atMin := s.left(p) <= int(p.spec.MinSize)
	attempt, movers, why, message := s.unneeded(c)
	if why == NoPlaceForPod && s.replace(c) {
		return
	}
	if why != "" {
		// While nodes are coming, what has no place may have one in a minute.
		open := why.says() || why == NoPlaceForPod && len(s.coming) > 0
		s.stay(p, n, why, message, !open && !unneededSince(n).IsZero())
		return
	}
	if atMin {
		// The node stays for its pool's minimum: its pods take no room and no
		// budget from others.
		attempt.Undo()
		s.budgets.giveBack(movers)
	} else {
		s.keepMoves(c, attempt)
	}
	wait, idle := s.waitFor(p), s.s.Now.Sub(c.since)
	if c.since.IsZero() {
		since := s.s.Now.UTC().Truncate(time.Second)
		s.plan.Timers = append(s.plan.Timers, Timer{Node: n.Name(), Pool: p.Name, Since: &since, node: n})
		idle = 0
	}
	if c.bad != "" {
		wait = 0 // it has been waited for
	}
	switch {
	case atMin:
		s.stay(p, n, PoolAtMin, fmt.Sprintf("size %d of at least %d", s.left(p), p.spec.MinSize), false)
	case idle < wait:
		s.stay(p, n, NotYet, fmt.Sprintf("unneeded for %s of %s", span(idle), span(wait)), false)
	default:
		s.letGo(c, movers)
	}
}

// says is whether the reason leaves open whether the node is needed: its time
// then runs on. A budget that is spent for the moment, often on the pods of a
// node that leaves already, would otherwise start every other node's time anew.
func (r Reason) says() bool {
	return r == NotExamined || r == PDBExhausted || r == ZoneLoss
}

// left is how many nodes the pool keeps, leaving ones counted as gone. The size
// and the list are read one after the other: a deletion between the two shows in
// the list alone, and a node that was leaving is then no longer there to be
// counted as gone. So the smaller number counts.
func (s *shrinking) left(p *pool) int {
	return min(p.base, p.standing) - len(p.leaving) - s.gone[p]
}

func (s *shrinking) waitFor(p *pool) time.Duration {
	if down := p.spec.Down; down != nil && down.UnneededFor != nil {
		return down.UnneededFor.Duration
	}
	return s.p.UnneededFor
}

// maxDrains is how many nodes of the pool may be leaving with pods on them: the
// policy's number, or a twentieth of a large pool. How many of them are drained
// at one time is the cycle's to say, and the pods' budgets'.
func (s *shrinking) maxDrains(p *pool) int { return max(s.p.MaxDrains, p.base/20) }

// threshold is the share of a node from which on it is needed. What may be
// consolidated has none: it goes whenever its pods fit elsewhere.
func (s *shrinking) threshold(p *pool) float64 {
	if p.consolidates() {
		return math.Inf(1)
	}
	return s.underused(p)
}

// underused is the share of a node below which it counts as underused.
func (s *shrinking) underused(p *pool) float64 {
	if down := p.spec.Down; down != nil && down.UtilizationPercent != nil {
		return float64(*down.UtilizationPercent) / 100
	}
	return float64(s.p.UtilizationPercent) / 100
}

// unneeded is whether the cluster could do without the node, and which pods
// would have to move. When it could, the moves are made in an Attempt that the
// caller ends, and the budgets are spent.
func (s *shrinking) unneeded(c *candidate) (a *vacate.Attempt, movers []*corev1.Pod, why Reason, message string) {
	if from := s.moved[c.node.Name()]; from != "" {
		return nil, nil, NeededForMoves, "pods of node " + from + " are to move here"
	}
	if c.extra > 0 {
		return nil, nil, PodsPending, "pending pods are to run here"
	}
	if limit := s.threshold(c.pool); c.bad == "" && c.used >= limit && c.busy {
		return nil, nil, Needed, fmt.Sprintf("%.0f%% used, threshold %.0f%%", 100*c.used, 100*limit)
	}
	if why, message := s.zoneLoss(c); why != "" {
		return nil, nil, why, message
	}
	return s.try(c)
}

// try moves the node's pods to other nodes in mind. If one of them must not or
// cannot move nothing has changed.
func (s *shrinking) try(c *candidate) (a *vacate.Attempt, movers []*corev1.Pod, why Reason, message string) {
	for _, pod := range c.pods {
		if stays(pod) {
			continue
		}
		if why, message := s.blocker(pod); why != "" {
			return nil, nil, why, podName(pod) + message
		}
		movers = append(movers, pod)
	}
	if s.simulated >= s.p.MaxSimulated && !s.ground.Simple(movers) {
		return nil, nil, NotExamined, fmt.Sprintf("%d nodes were examined in this look", s.p.MaxSimulated)
	}
	if why, message := s.budgets.spend(movers); why != "" {
		return nil, nil, why, message
	}
	asked := s.ground.Asked()
	a, no, err := s.ground.Try(c.node.Name(), movers)
	if s.ground.Asked() > asked {
		s.simulated++
	}
	switch {
	case err != nil:
		s.budgets.giveBack(movers)
		return nil, nil, NotExamined, err.Error()
	case no != nil:
		s.budgets.giveBack(movers)
		return nil, nil, NoPlaceForPod, podName(no.Pod) + ": " + no.Why
	}
	return a, movers, "", ""
}

// keepMoves makes the moves count for the nodes that are looked at next.
func (s *shrinking) keepMoves(c *candidate, a *vacate.Attempt) {
	for _, m := range a.Moves {
		s.moved[m.To] = c.node.Name()
	}
	s.withdraw(c)
	s.plan.emptied = append(s.plan.emptied, emptied{c.node.Name(), a.Moves})
	a.Keep()
}

// emptied is a node that this look found could be emptied, and where its pods
// would go; in the order in which each was found with those before it gone.
type emptied struct {
	node  string
	moves []vacate.Move
}

// movesOf is where this look would put the pods of a node that it emptied in mind.
func (p *Plan) movesOf(node string) []vacate.Move {
	for _, e := range p.emptied {
		if e.node == node {
			return e.moves
		}
	}
	return nil
}

// empty is try with consequences.
func (s *shrinking) empty(c *candidate) (movers []*corev1.Pod, why Reason, message string) {
	a, movers, why, message := s.try(c)
	if why == "" {
		s.keepMoves(c, a)
	}
	return movers, why, message
}

// letGo marks the node, within the limits of a look.
func (s *shrinking) letGo(c *candidate, movers []*corev1.Pod) {
	p, n := c.pool, c.node
	r := Removal{
		Node: n.Name(), Pool: p.Name, Reason: Empty, Since: c.since, node: n,
		Message: "unneeded for " + span(s.s.Now.Sub(c.since)),
	}
	switch {
	case c.bad != "":
		r.Reason, r.Message = c.bad, "for "+span(s.s.Now.Sub(c.since))
	case len(movers) > 0 && c.used >= s.underused(p):
		r.Reason = Cheaper
		r.Message += fmt.Sprintf(", %.0f%% used, and all of it fits elsewhere", 100*c.used)
	case len(movers) > 0:
		r.Reason = Underused
		r.Message += fmt.Sprintf(", %.0f%% used", 100*c.used)
	}
	cooling, why := s.cooling(p)
	switch {
	case cooling != "":
		s.stay(p, n, cooling, why, false)
		return
	case s.braked != "":
		s.stay(p, n, Braked, s.braked, false)
		return
	case s.deferred != "":
		s.stay(p, n, PodsPending, s.deferred, false)
		return
	case len(movers) == 0 && s.empties >= s.p.MaxEmpty, len(movers) > 0 && s.drains[p] >= s.maxDrains(p):
		s.stay(p, n, TooManyLeaving, r.Message, false)
		return
	}
	if why, message := s.homeless(c); why != "" {
		s.stay(p, n, why, message, false)
		return
	}
	if len(movers) == 0 {
		s.empties++
	} else {
		s.drains[p]++
	}
	for _, pod := range movers {
		r.Pods = append(r.Pods, podName(pod))
	}
	s.gone[p]++
	s.plan.Removals = append(s.plan.Removals, r)
}
