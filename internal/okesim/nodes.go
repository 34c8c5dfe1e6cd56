package okesim

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// States of a node.
const (
	nodeCreating = "CREATING"
	nodeUpdating = "UPDATING"
	nodeActive   = "ACTIVE"
	nodeFailing  = "FAILING"
	nodeDeleting = "DELETING"
)

// node is one entry of a pool's node list: a promise of an instance, then an instance.
type node struct {
	pool    *pool
	seq     int
	slot    int
	name    string
	place   Placement
	fd      string
	version string
	state   string
	inst    *instance // nil until launched
	fault   *NodeError
	doom    LaunchFault // what its launch was ordered to meet
	created time.Time

	replace bool         // leaving, and a new entry takes its place when it is gone
	launch  *workRequest // waits until it is ACTIVE or has failed
	removal *workRequest // waits until it is gone
	restart *workRequest // waits until it is back
	joined  bool         // has been ACTIVE
	marked  bool         // for deletion: sticks even when the deletion fails
}

func (n *node) id() string {
	if n.inst == nil {
		return ""
	}
	return n.inst.ID
}

func (n *node) view() NodeView {
	v := NodeView{ID: n.id(), Name: n.name, State: n.state, KubernetesVersion: n.version, AD: n.place.AD, FaultDomain: n.fd,
		SubnetID: n.place.SubnetID, Created: n.created}
	if n.inst != nil {
		v.PrivateIP = n.inst.PrivateIP
	}
	if n.fault != nil {
		fault := *n.fault
		v.Error = &fault
	}
	return v
}

// holdsSlot says whether the entry counts against the pool's size: it stays, or something will stand in its place.
func (n *node) holdsSlot() bool { return !n.marked || n.replace }

func (p *pool) slotsHeld() int {
	held := 0
	for _, n := range p.nodes {
		if n.holdsSlot() {
			held++
		}
	}
	return held
}

// reconcile adds or gives up entries until as many hold a slot as the size says. w waits for what it starts.
func (s *Sim) reconcile(p *pool, w *workRequest) {
	if p.cycling != nil {
		return // a cycle counts for itself, with its surge
	}
	for have := p.slotsHeld(); have < p.spec.Size; have++ {
		s.addNode(p, w)
	}
	for have := p.slotsHeld(); have > p.spec.Size; have-- {
		if v := p.victim(); v.marked {
			v.replace = false
		} else {
			s.remove(p, v, false, w)
		}
	}
}

// victim is the entry that a smaller size costs: what failed, what has no instance yet, a replacement still owed, then the newest
// node that is not ready, and only then a working one, the oldest first.
func (p *pool) victim() *node {
	rank := func(n *node) int {
		switch {
		case n.marked:
			return 2
		case n.fault != nil:
			return 0
		case n.inst == nil:
			return 1
		case n.state != nodeActive:
			return 3
		}
		return 4
	}
	var held []*node
	for _, n := range p.nodes {
		if n.holdsSlot() {
			held = append(held, n)
		}
	}
	return slices.MinFunc(held, func(a, b *node) int {
		if c := cmp.Compare(rank(a), rank(b)); c != 0 {
			return c
		}
		if rank(a) < 4 {
			return cmp.Compare(b.seq, a.seq)
		}
		return cmp.Compare(a.seq, b.seq)
	})
}

// addNode puts an entry without an instance on the list and plans its launch.
func (s *Sim) addNode(p *pool, w *workRequest) { s.addNodeAt(p, w, spot{place: p.nextPlacement()}) }

func (s *Sim) addNodeAt(p *pool, w *workRequest, at spot) {
	s.ids++
	n := &node{pool: p, seq: s.ids, slot: p.freeSlot(), place: at.place, fd: at.fd, version: p.spec.KubernetesVersion, state: nodeCreating, created: s.clock(), launch: w}
	if n.fd == "" {
		n.fd = p.nextFaultDomain(n.place)
	}
	n.name = fmt.Sprintf("oke-c%s-n%s-s%s-%d", tail(p.spec.ClusterID), tail(p.id), tail(n.place.SubnetID), n.slot)
	p.nodes = append(p.nodes, n)
	w.open++
	s.stage(s.opt.Latency.Accept, func() { s.launchNode(p, n) })
}

// nextPlacement is the placement with the fewest entries, the first of them on a tie.
func (p *pool) nextPlacement() Placement {
	count := func(pl Placement) int {
		c := 0
		for _, n := range p.nodes {
			if n.state != nodeDeleting && n.place.same(pl) {
				c++
			}
		}
		return c
	}
	return slices.MinFunc(p.spec.Placements, func(a, b Placement) int { return cmp.Compare(count(a), count(b)) })
}

// same says whether two placements put nodes in the same place.
func (pl Placement) same(other Placement) bool {
	return pl.AD == other.AD && pl.SubnetID == other.SubnetID
}

func (p *pool) nextFaultDomain(pl Placement) string {
	choice := pl.FaultDomains
	if len(choice) == 0 {
		choice = faultDomains
	}
	held := func(fd string) int {
		c := 0
		for _, n := range p.nodes {
			if n.state != nodeDeleting && n.place.same(pl) && n.fd == fd {
				c++
			}
		}
		return c
	}
	return slices.MinFunc(choice, func(a, b string) int { return cmp.Compare(held(a), held(b)) })
}

// freeSlot is the lowest number that no display name of the pool carries.
func (p *pool) freeSlot() int {
	taken := map[int]bool{}
	for _, n := range p.nodes {
		taken[n.slot] = true
	}
	slot := 0
	for taken[slot] {
		slot++
	}
	return slot
}

// DeleteNode deletes one node as the API's DeleteNode does and returns the work request's OCID. With decrement the pool shrinks by one,
// without it a replacement with the pool's current properties is launched once the instance is gone. Errors are of type [*Error].
//
// Like every removal by a Go method it evicts nobody, as if the grace were PT0M; the API's own way is [Sim.Do].
func (s *Sim) DeleteNode(poolID, nodeID string, decrement bool, ifMatch string) (workRequestID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.deleteNode(poolID, nodeID, decrement, ifMatch, eviction{})
	if err != nil {
		return "", err
	}
	return w.ID, nil
}

// DeleteNodeAfterEviction is DeleteNode as the API does it with overrideEvictionGraceDuration and isForceDeletionAfterOverrideGraceDuration.
func (s *Sim) DeleteNodeAfterEviction(poolID, nodeID string, decrement bool, grace time.Duration, force bool) (workRequestID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.deleteNode(poolID, nodeID, decrement, "", eviction{min(grace, maxGrace), force})
	if err != nil {
		return "", err
	}
	return w.ID, nil
}

func (s *Sim) deleteNode(poolID, nodeID string, decrement bool, ifMatch string, how eviction) (*workRequest, error) {
	p, err := s.writable(poolID, ifMatch)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(p.nodes, func(n *node) bool { return nodeID != "" && n.id() == nodeID })
	if i < 0 {
		return nil, errNotFound("node", nodeID)
	}
	if p.nodes[i].state == nodeDeleting {
		return nil, errConflict("node %s is already being deleted", nodeID)
	}
	if decrement && p.cycling != nil {
		return nil, errIncorrectState("node pool %s is being cycled: its size cannot be reduced", p.id)
	}
	n := p.nodes[i]
	replace := !decrement && (!n.marked || n.replace)
	if decrement && n.holdsSlot() { // not twice for a node whose first deletion failed
		p.spec.Size--
	}
	p.revision++
	w := s.newWork(p, "NODEPOOL_UPDATE", "UPDATED")
	w.evict = how
	s.remove(p, n, replace, w)
	return w, nil
}

// vacate removes the nodes that stand where the pool no longer may be; each is replaced elsewhere.
func (s *Sim) vacate(p *pool, w *workRequest) {
	for _, n := range slices.Clone(p.nodes) {
		stays := slices.ContainsFunc(p.spec.Placements, func(pl Placement) bool {
			return n.place.same(pl) && (len(pl.FaultDomains) == 0 || slices.Contains(pl.FaultDomains, n.fd))
		})
		if !stays && n.state != nodeDeleting {
			s.remove(p, n, true, w)
		}
	}
}
