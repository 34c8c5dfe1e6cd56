package scale

import (
	"fmt"
	"maps"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// judgeNode decides about one candidate: it stays, its time runs, or it goes.
func (s *shrinking) judgeNode(c *candidate) {
	p, n := c.pool, c.node
	atMin := s.left(p) <= int(p.spec.MinSize)
	look := s.unneeded
	if atMin {
		look = s.wouldBeUnneeded
	}
	movers, why, message := look(c)
	if why != "" {
		s.stay(p, n, why, message, why != NotExamined && !c.since.IsZero())
		return
	}
	wait, idle := s.waitFor(p), s.s.Now.Sub(c.since)
	if c.since.IsZero() {
		since := s.s.Now.UTC().Truncate(time.Second)
		s.plan.Timers = append(s.plan.Timers, Timer{Node: n.Name(), Pool: p.Name, Since: &since, node: n})
		idle = 0
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

// wouldBeUnneeded is unneeded without consequences: the node stays for its
// pool's minimum, so its pods take no room and no budget from others.
func (s *shrinking) wouldBeUnneeded(c *candidate) ([]*corev1.Pod, Reason, string) {
	to, moved := s.to, maps.Clone(s.moved)
	s.sim.Fork()
	movers, why, message := s.unneeded(c)
	s.sim.Revert()
	if why == "" {
		s.budgets.giveBack(movers)
	}
	s.to, s.moved = to, moved
	return movers, why, message
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

func (s *shrinking) threshold(p *pool) float64 {
	if down := p.spec.Down; down != nil && down.UtilizationPercent != nil {
		return float64(*down.UtilizationPercent) / 100
	}
	return float64(s.p.UtilizationPercent) / 100
}

// unneeded is whether the cluster could do without the node, and which pods
// would have to move.
func (s *shrinking) unneeded(c *candidate) (movers []*corev1.Pod, why Reason, message string) {
	if from := s.moved[c.node.Name()]; from != "" {
		return nil, NeededForMoves, "pods of node " + from + " are to move here"
	}
	for _, pod := range c.pods {
		if pod.Spec.NodeName == "" {
			return nil, PodsPending, "pending pods are to run here"
		}
	}
	if busy := s.busy(c); busy {
		if limit := s.threshold(c.pool); c.used >= limit {
			return nil, Needed, fmt.Sprintf("%.0f%% used, threshold %.0f%%", 100*c.used, 100*limit)
		}
		if s.simulated++; s.simulated > s.p.MaxSimulated {
			return nil, NotExamined, fmt.Sprintf("%d nodes were examined in this look", s.p.MaxSimulated)
		}
	}
	return s.empty(c)
}

// busy is whether anything runs on the node that would have to move.
func (s *shrinking) busy(c *candidate) bool {
	for _, pod := range c.pods {
		if !stays(pod) {
			return true
		}
	}
	return false
}

// empty moves the node's pods to other nodes in the simulation and takes the
// node out of it. If one of them must not or cannot move nothing has changed.
func (s *shrinking) empty(c *candidate) (movers []*corev1.Pod, why Reason, message string) {
	name := c.node.Name()
	for _, pod := range c.pods {
		if stays(pod) {
			continue
		}
		if why, message := s.blocker(pod); why != "" {
			return nil, why, podName(pod) + message
		}
		movers = append(movers, pod)
	}
	sort.Slice(movers, func(i, j int) bool { return podName(movers[i]) < podName(movers[j]) })
	if why, message := s.budgets.spend(movers); why != "" {
		return nil, why, message
	}
	s.sim.Fork()
	s.sim.RemoveNode(name)
	var to []string
	for _, other := range s.to {
		if other != name {
			to = append(to, other)
		}
	}
	moved := map[string]string{}
	for _, pod := range movers {
		// The pod that its controller makes in its stead has no node.
		node, reasons := s.sim.Schedule(unbound(pod), to)
		if node == "" {
			s.sim.Revert()
			s.budgets.giveBack(movers)
			return nil, NoPlaceForPod, podName(pod) + ": " + or(reasons.String(), "there is no other node")
		}
		moved[node] = name
	}
	s.sim.Commit()
	s.to = to
	maps.Copy(s.moved, moved)
	return movers, "", ""
}

// letGo marks the node, within the limits of a look.
func (s *shrinking) letGo(c *candidate, movers []*corev1.Pod) {
	p, n := c.pool, c.node
	r := Removal{
		Node: n.Name(), Pool: p.Name, Reason: Empty, Since: c.since, node: n,
		Message: "unneeded for " + span(s.s.Now.Sub(c.since)),
	}
	if len(movers) > 0 {
		r.Reason = Underused
		r.Message += fmt.Sprintf(", %.0f%% used", 100*c.used)
	}
	switch {
	case s.braked != "":
		s.stay(p, n, Braked, s.braked, false)
		return
	case s.deferred != "":
		s.stay(p, n, PodsPending, s.deferred, false)
		return
	case r.Reason == Empty && s.empties >= s.p.MaxEmpty, r.Reason == Underused && s.drains >= s.p.MaxDrains:
		s.stay(p, n, TooManyLeaving, r.Message, false)
		return
	}
	if r.Reason == Empty {
		s.empties++
	} else {
		s.drains++
	}
	for _, pod := range movers {
		r.Pods = append(r.Pods, podName(pod))
	}
	s.gone[p]++
	s.plan.Removals = append(s.plan.Removals, r)
}

// unbound is the pod as its controller will make it anew.
func unbound(pod *corev1.Pod) *corev1.Pod {
	c := *pod
	c.Spec.NodeName = ""
	return &c
}
