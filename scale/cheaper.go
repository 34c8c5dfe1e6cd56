package scale

import (
	"fmt"
	"sort"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

// A node that is not needed for want of room elsewhere, but whose pods a cheaper
// node could carry, is replaced in two looks that know nothing of each other:
//
//	look 1   n1 (0.40 USD/h) finds no room for its pods; a node of pool arm
//	         (0.25 USD/h) would carry them: its time runs, then arm grows by one
//	         … the machine boots, joins, passes the doctor's gate …
//	look 2   n1's pods fit on nodes that there are: n1 goes, as an underused node
//	         would, by the same mark and under the same budgets
//
// Nothing has to be remembered in between but since when n1 could be spared, and
// that is its annotation. If the new node never comes, n1 stays. If other pods
// take the new node's room, n1 stays and is replaced later or not at all. Each
// step leaves the cluster cheaper or as it was, so that no two of them can undo
// each other.

// A replacement must save this share of the node's price: less is not worth
// moving anybody's pods.
const worthwhile = 0.15

// maxReplacements is how many nodes one look tries to find a cheaper one for.
const maxReplacements = 10

// consolidates is whether the pool's nodes may be emptied however full they are.
func (p *pool) consolidates() bool {
	return p.spec != nil && p.spec.Down != nil && p.spec.Down.Consolidate
}

// replace decides about a node whose pods have no room elsewhere; false when a
// cheaper node would not carry them, and nothing has been said of the node.
func (s *shrinking) replace(c *candidate) bool {
	p, n := c.pool, c.node
	if !p.consolidates() || c.bad != "" || s.tried >= maxReplacements || s.left(p) <= int(p.spec.MinSize) {
		return false
	}
	q, saves := s.replacement(c)
	if q == nil {
		return false
	}
	s.tried++
	idle, wait := s.s.Now.Sub(c.since), s.waitFor(p)
	if c.since.IsZero() {
		since := s.s.Now.UTC().Truncate(time.Second)
		s.plan.Timers = append(s.plan.Timers, Timer{Node: n.Name(), Pool: p.Name, Since: &since, node: n})
		idle = 0
	}
	words := fmt.Sprintf("a node of pool %s would carry its pods for %.3f USD/h less", q.Name, saves)
	switch {
	case idle < wait:
		s.stay(p, n, NotYet, fmt.Sprintf("%s; so for %s of %s", words, span(idle), span(wait)), false)
	case s.braked != "":
		s.stay(p, n, Braked, s.braked, false)
	case len(s.plan.Grows) > 0 || len(s.coming) > 0:
		s.stay(p, n, Replacing, words+"; nodes that are on their way come first", false)
	default:
		fresh := s.open(q)
		s.raise(q, []newNode{fresh}, nil)
		g := &s.plan.Grows[len(s.plan.Grows)-1]
		g.Replaces, g.Message = []string{n.Name()}, fmt.Sprintf("%.3f USD/h less", saves)
		s.deferred = "a node is being replaced by a cheaper one"
		s.stay(p, n, Replacing, words+", which is asked for", false)
	}
	return true
}

// replacement is the cheapest pool one new node of which would carry what of the
// node's pods finds no room elsewhere, and what that saves an hour. The real
// plugins say so.
func (s *shrinking) replacement(c *candidate) (*pool, float64) {
	price := c.pool.price(c.node.Zone())
	if price <= 0 {
		return nil, 0
	}
	var pools []*pool
	for _, q := range s.pools {
		if next := s.nextPrice(q); next > 0 && next <= price*(1-worthwhile) && q.room() > 0 && !s.idle(q) {
			pools = append(pools, q)
		}
	}
	sort.SliceStable(pools, func(i, j int) bool { return s.nextPrice(pools[i]) < s.nextPrice(pools[j]) })
	for _, q := range pools {
		// The cloud picks the zone: wherever the node comes up it must do.
		does := true
		for _, zone := range q.places {
			does = does && s.carries(q, zone, c)
		}
		if does {
			return q, price - s.nextPrice(q)
		}
	}
	return nil, 0
}

// idle is whether a node of the pool stands empty. If that has not helped
// another one will not.
func (s *shrinking) idle(q *pool) bool {
	for _, n := range q.Nodes {
		if x := s.nodes[n.Name()]; n.Object != nil && x != nil && n.Mark == nil && len(movable(x.pods)) == 0 {
			return true
		}
	}
	return false
}

// nextPrice is what the pool's next node would cost an hour at most, 0 when that
// is not known.
func (s *shrinking) nextPrice(q *pool) float64 {
	if q.spec == nil || len(q.Cloud.Placements) == 0 || q.Run() != nil || q.Cloud.Virtual {
		return 0
	}
	most := 0.0
	for _, zone := range q.places {
		price := q.price(zone)
		if price <= 0 {
			return 0
		}
		most = max(most, price)
	}
	return most
}

// carries is whether all pods of the node would find room on the other nodes and
// one new node of the pool in the zone, tried in the order in which a later look will: what
// fits in one order may not in another, and the new node would have come in vain.
func (s *shrinking) carries(q *pool, zone cloudprovider.Zone, c *candidate) bool {
	if s.ground.Tell() != nil {
		return false
	}
	s.sim.Fork()
	defer s.sim.Revert()
	s.sim.RemoveNode(c.node.Name())
	to := append(s.ground.Standing(), s.addNew(q, q.template(zone), ""))
	for _, pod := range s.ground.InOrder(movable(c.pods)) {
		if node, _ := s.sim.Schedule(unbound(pod), to); node == "" {
			return false
		}
	}
	return true
}
