package okesim

import "slices"

// What happens to a pool without anybody's request.

// Preempt takes back the capacity of a preemptible instance: its Node gets a short notice, then it is terminated, and OKE tries to
// launch a replacement. It returns an [*Error] if the instance is unknown, not preemptible, or on its way out.
func (s *Sim) Preempt(instance string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, n := s.nodeOf(instance)
	switch {
	case n == nil:
		return errNotFound("node", instance)
	case !n.inst.Preemptible:
		return errInvalid("instance %s is not preemptible", instance)
	case n.state == nodeDeleting || n.inst.State == stateTerminated:
		return errIncorrectState("instance %s is %s and its node %s", instance, n.inst.State, n.state)
	}
	w := s.newWork(p, "NODEPOOL_RECONCILE", "UPDATED")
	w.evict = eviction{grace: s.opt.Latency.Preempt, force: true}
	w.log("Instance %s is preempted", instance)
	s.remove(p, n, true, w)
	return nil
}

// Reconcile is OKE looking after a pool by itself: failed launches are tried again, lost instances are replaced, and what is marked for
// deletion is deleted. It returns the work request (NODEPOOL_RECONCILE), or an [*Error] if the pool is unknown or being deleted.
func (s *Sim) Reconcile(pool string) (workRequestID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.findPool(pool)
	if err != nil {
		return "", err
	}
	if p.state == poolDeleting || p.cycling != nil {
		return "", errIncorrectState("node pool %s is %s", pool, p.state)
	}
	w := s.newWork(p, "NODEPOOL_RECONCILE", "UPDATED")
	s.retryMarked(p, w)
	for _, n := range slices.Clone(p.nodes) {
		switch {
		case n.marked:
		case n.inst != nil && (n.inst.State == stateTerminated || n.fault != nil):
			s.remove(p, n, true, w)
		case n.inst == nil && n.fault != nil:
			n.fault, n.launch = nil, w
			w.open++
			s.stage(s.opt.Latency.Accept, func() { s.launchNode(p, n) })
		}
	}
	s.reconcile(p, w)
	return w.ID, nil
}

// BreakTerminations makes the next n terminations of a pool's instances fail (an empty OCID is any pool; negative n: every one until a
// call with n = 0). The node stays, marked for deletion, and the pool's next update tries again.
func (s *Sim) BreakTerminations(pool string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == 0 {
		s.unkillable = slices.DeleteFunc(s.unkillable, func(b *brokenLaunches) bool { return b.pool == pool })
		return
	}
	s.unkillable = append(s.unkillable, &brokenLaunches{pool: pool, left: n})
}

func (s *Sim) terminationFails(pool string) bool {
	for _, b := range s.unkillable {
		if b.left != 0 && (b.pool == "" || b.pool == pool) {
			b.left = max(b.left-1, -1)
			return true
		}
	}
	return false
}
