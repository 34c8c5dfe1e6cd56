package scale

import (
	"fmt"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/vacate"
)

// shrinking is the search for nodes to let go.
type shrinking struct {
	*decision
	budgets budgets
	nodes   map[string]*standing // what stands, by name
	// replicas are the pods of each controller, nil until a rule asks.
	replicas map[replicaSet]int
	ground   *vacate.Cluster
	kept     map[string]bool // given back in this plan
	// moved says, of a node that pods are to move to, whose they are.
	moved map[string]string
	// gone and drains count, by pool, nodes chosen in this plan and nodes with
	// pods that leave, those of earlier looks included.
	gone, drains     map[*pool]int
	zones            *zones // of the pools that must outlive a zone, see zoneLoss
	empties          int
	tried            int    // nodes that a cheaper one was sought for
	losses           int    // nodes whose leaving was tried with each zone lost
	simulated        int    // nodes whose pods the real plugins were asked about
	braked, deferred string // why nothing goes in this look, "" when it may
}

// candidate is a node that might go.
type candidate struct {
	*standing
	pool *pool
	// since is from when the node is unneeded: its annotation, or the moment it
	// went bad. Zero when it is not known to be unneeded yet.
	since time.Time
	// bad is why the node is of no use to anybody, "" when it works.
	bad Reason
}

// shrink decides about every node of the pools that scale.
//
// Nodes whose time runs already come first, the longest first, and then the
// emptiest: with an order that changed from look to look two half-empty nodes
// would take turns at being the other's destination, and neither would ever go.
func (d *decision) shrink() {
	s := &shrinking{
		decision: d, budgets: newBudgets(d.s.PDBs), kept: map[string]bool{}, moved: map[string]string{},
		gone: map[*pool]int{}, drains: map[*pool]int{},
	}
	for _, k := range d.plan.Keeps {
		s.kept[k.Node] = true
	}
	s.braked = d.brake()
	if len(d.plan.Grows) > 0 {
		s.deferred = "pools grow in this look"
	}
	s.discard()
	s.layOut()
	for _, p := range d.pools {
		s.settleOthers(p)
	}
	for _, p := range d.pools {
		s.settleLeaving(p)
	}
	candidates := s.candidates()
	sort.SliceStable(candidates, func(i, j int) bool { return candidates[i].before(candidates[j]) })
	for _, c := range candidates {
		s.judgeNode(c)
	}
}

func (c *candidate) before(o *candidate) bool {
	switch {
	case c.since.IsZero() != o.since.IsZero():
		return !c.since.IsZero()
	case !c.since.Equal(o.since):
		return c.since.Before(o.since)
	case c.used != o.used:
		return c.used < o.used
	}
	return c.node.Name() < o.node.Name()
}

// brake is why nothing may go: so many broken nodes have one cause, and the
// healthy ones will be needed.
func (d *decision) brake() string {
	broken, all := 0, 0
	for _, p := range d.pools {
		for _, n := range p.Nodes {
			if n.Object == nil {
				continue
			}
			all++
			if st := n.Stage(); st == world.StageBroken || st == world.StageLost || st == world.StageJoining && d.late(n) {
				broken++
			}
		}
	}
	if broken > 3 && broken*100 > all*d.p.BrakePercent {
		return fmt.Sprintf("%d of %d nodes are broken or lost", broken, all)
	}
	return ""
}

// settleLeaving moves the pods of nodes that leave already: they need room and
// budgets before anything else may. A node that could not be chosen any more,
// and that nobody has begun to drain, is given back.
func (s *shrinking) settleLeaving(p *pool) {
	for _, n := range p.leaving {
		if n.Object == nil || n.Mark.Drained != nil || s.nodes[n.Name()] == nil {
			continue
		}
		c := &candidate{standing: s.nodes[n.Name()], pool: p}
		movers, why, message := s.empty(c)
		mayKeep := keepable(n) && s.s.CloudErr == nil && p.Cloud.Health.Err == nil && p.Run() == nil
		if why != "" && mayKeep {
			s.uncordon(n)
			s.giveBack(p, n, Keep{Reason: NoLongerUnneeded, Message: because(string(why), message)})
			s.kept[n.Name()] = true
			continue
		}
		if len(movers) > 0 || why != "" {
			s.drains[p]++
		}
	}
}

// settleOthers takes what the drains of other verbs will need of the budgets.
// Room for their pods is theirs to see to: they surge.
func (s *shrinking) settleOthers(p *pool) {
	for _, n := range p.Nodes {
		if n.Mark == nil || n.Mark.Cause == kube.CauseScaleDown || n.Mark.Drained != nil {
			continue
		}
		for _, pod := range n.Pods {
			if !stays(pod) {
				s.budgets.spend([]*corev1.Pod{pod})
			}
		}
	}
}

// candidates gives a verdict to the nodes that are out of the question and
// returns the others.
func (s *shrinking) candidates() []*candidate {
	var out []*candidate
	for _, p := range s.pools {
		if p.spec == nil {
			s.forget(p)
			continue
		}
		for _, n := range p.Nodes {
			if n.Object == nil || s.kept[n.Name()] {
				continue
			}
			bad, badSince := s.bad(p, n)
			since := unneededSince(n)
			if why, message, unknown := s.outOfQuestion(p, n, bad); why != "" {
				s.stay(p, n, why, message, !unknown && !since.IsZero())
				continue
			}
			if x := s.nodes[n.Name()]; x != nil && x.node == n {
				if bad != "" {
					since = badSince
				}
				out = append(out, &candidate{standing: x, pool: p, since: since, bad: bad})
			}
		}
	}
	return out
}

// forget stops the timers of a pool that is not scaled any more: nothing else
// would ever take them off its nodes.
func (s *shrinking) forget(p *pool) {
	for _, n := range p.Nodes {
		if n.Object != nil && !unneededSince(n).IsZero() {
			s.plan.Timers = append(s.plan.Timers, Timer{Node: n.Name(), Pool: p.Name, node: n})
		}
	}
}

// stay writes why a node stays, and stops its timer if clear is set.
func (s *shrinking) stay(p *pool, n *world.Node, why Reason, message string, clear bool) {
	s.plan.Nodes = append(s.plan.Nodes, NodeVerdict{n.Name(), p.Name, why, message, n})
	if clear {
		s.plan.Timers = append(s.plan.Timers, Timer{Node: n.Name(), Pool: p.Name, node: n})
	}
}
