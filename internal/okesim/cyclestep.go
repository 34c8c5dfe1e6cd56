package okesim

import (
	"fmt"
	"slices"
)

// stale are the nodes that differ from their pool and are there to stay unless the cycle replaces them, in order of creation.
func (p *pool) stale() []*node {
	var all []*node
	for _, n := range p.nodes {
		if n.state != nodeDeleting && n.fault == nil && !n.marked && len(p.drift(n)) > 0 {
			all = append(all, n)
		}
	}
	return all
}

// available counts the nodes that work now.
func (p *pool) available() int {
	count := 0
	for _, n := range p.nodes {
		if n.state == nodeActive && n.fault == nil && !n.marked {
			count++
		}
	}
	return count
}

// moving says whether a node is on its way up or down.
func (p *pool) moving() bool {
	return slices.ContainsFunc(p.nodes, func(n *node) bool { return n.state != nodeActive && n.fault == nil || n.state == nodeDeleting })
}

// step takes a cycle as far as its bounds allow now. It is called whenever a node of the pool has arrived, failed or gone.
func (s *Sim) step(p *pool) {
	c := p.cycling
	if c == nil || c.w.Status == workAccepted {
		return
	}
	if !c.stopping {
		b, _ := c.bounds(p.spec.Size) // checked when it was asked for
		s.stepDown(p, c, b)
		s.stepUp(p, c, b)
	}
	if p.moving() {
		return
	}
	// With nothing on its way nobody would call again: nodes that failed for other reasons use up what may be unavailable.
	if left := len(p.stale()); left > 0 && !c.stopping {
		c.w.fail("IncorrectState", fmt.Sprintf("%d node(s) could not be cycled within maximumSurge and maximumUnavailable: too few nodes of the pool are ACTIVE.", left))
	}
	s.endCycling(p)
}

// stepDown takes old nodes out of service: for good, or for a new boot volume.
func (s *Sim) stepDown(p *pool, c *cycling, b cycleBounds) {
	spare := p.available() - (p.spec.Size - b.unavailable)
	for _, n := range p.stale() {
		if spare <= 0 {
			return
		}
		if n.state != nodeActive || n.inst.State != stateRunning && n.inst.State != stateTerminated {
			continue // booting, or in somebody's hands: its turn comes
		}
		if c.mode(p.drift(n)) == ModeBootVolumeReplace && n.inst.State == stateRunning {
			s.restart(p, n, c.w, func() { s.renewBootVolume(p, n) })
		} else {
			s.remove(p, n, false, c.w)
		}
		spare--
	}
}

// stepUp makes new nodes: what is missing, and in advance as many as may surge for old ones that will be replaced.
func (s *Sim) stepUp(p *pool, c *cycling, b cycleBounds) {
	leaving := 0
	for _, n := range p.stale() {
		if n.restart == nil && c.mode(p.drift(n)) == ModeInstanceReplace {
			leaving++
		}
	}
	for len(p.nodes) < p.spec.Size+min(b.surge, leaving) {
		at := spot{place: p.nextPlacement()}
		if len(c.spots) > 0 {
			at, c.spots = c.spots[0], c.spots[1:]
		}
		s.addNodeAt(p, c.w, at)
	}
}

// mode is how a node with this drift is renewed.
func (c *cycling) mode(drift []string) string {
	for _, mode := range c.Modes {
		if mode == ModeInstanceReplace || onVolume(drift) {
			return mode
		}
	}
	return ModeInstanceReplace
}

// stopCycling keeps a cycle from going on when a part of its own work has failed: with the next node it would fail again.
func (s *Sim) stopCycling(p *pool, failed *workRequest) {
	if p.cycling != nil && p.cycling.w == failed {
		p.cycling.stopping = true
	}
}

// endCycling leaves the pool with as many nodes as its size says: an entry that failed as surge goes first.
func (s *Sim) endCycling(p *pool) {
	w := p.cycling.w
	p.cycling = nil
	for _, n := range p.nodes {
		s.hold(n.inst, false)
	}
	s.reconcile(p, w)
	s.release(w)
}

// abandonCycling is the end of a cycle whose pool is deleted.
func (s *Sim) abandonCycling(p *pool) {
	if c := p.cycling; c != nil {
		p.cycling = nil
		c.w.Status = workCanceling
		s.release(c.w)
	}
}

// cancelWork cancels a cycle: what is under way is finished, nothing is taken back.
func (s *Sim) cancelWork(w *workRequest) error {
	if !w.Finished.IsZero() {
		return errIncorrectState("work request %s is %s", w.ID, w.Status)
	}
	if w.pool == nil || w.pool.cycling == nil || w.pool.cycling.w != w {
		return errIncorrectState("work request %s (%s) has started and is not a node cycling request: it cannot be cancelled", w.ID, w.Operation)
	}
	w.Status = workCanceling
	w.log("Canceling %s", w.Operation)
	w.pool.cycling.stopping = true
	s.stage(s.opt.Latency.Accept, func() { s.step(w.pool) })
	return nil
}
