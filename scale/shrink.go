package scale

import (
	"fmt"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// shrinking is the search for nodes to let go.
type shrinking struct {
	*decision
	budgets budgets
	// to are the real nodes that moving pods may be put on.
	to []string
	// moved says, of a node that pods are to move to, whose they are.
	moved map[string]string
	// gone are nodes chosen in this plan, empties and drains how many of which
	// kind, drains including those leaving since earlier looks.
	gone             map[*pool]int
	empties, drains  int
	simulated        int
	braked, deferred string // why nothing goes in this look, "" when it may
}

// candidate is a node that might go.
type candidate struct {
	pool  *pool
	node  *world.Node
	since time.Time // of the annotation, zero when there is none
	pods  []*corev1.Pod
	used  float64
}

// shrink decides about every node of the pools that scale.
//
// Nodes whose time runs already come first, the longest first, and then the
// emptiest: with an order that changed from look to look two half-empty nodes
// would take turns at being the other's destination, and neither would ever go.
func (d *decision) shrink() {
	s := &shrinking{decision: d, budgets: newBudgets(d.s.PDBs), gone: map[*pool]int{}, moved: map[string]string{}}
	s.braked = d.brake()
	if len(d.plan.Grows) > 0 {
		s.deferred = "pools grow in this look"
	}
	s.destinations()
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
			if st := n.Stage(); st == world.StageBroken || st == world.StageLost {
				broken++
			}
		}
	}
	if broken > 3 && broken*100 > all*d.p.BrakePercent {
		return fmt.Sprintf("%d of %d nodes are broken or lost", broken, all)
	}
	return ""
}

// destinations are real, schedulable nodes that nobody has marked, the fullest
// first: pods moved there leave the idle nodes idle.
func (s *shrinking) destinations() {
	marked := map[string]bool{}
	for _, p := range s.pools {
		for _, n := range p.Nodes {
			if n.Object != nil && (n.Mark != nil || n.MarkErr != nil) {
				marked[n.Name()] = true
			}
		}
	}
	for _, k := range s.plan.Keeps {
		marked[k.Node] = false
	}
	used := map[string]float64{}
	for _, name := range s.there {
		if !marked[name] {
			s.to = append(s.to, name)
			used[name] = utilization(s.sim.Node(name), s.sim.Pods(name))
		}
	}
	sort.SliceStable(s.to, func(i, j int) bool { return used[s.to[i]] > used[s.to[j]] })
}

// settleLeaving moves the pods of nodes that leave already: they need room and
// budgets before anything else may. A node that could not be chosen any more,
// and that nobody has begun to drain, is given back.
func (s *shrinking) settleLeaving(p *pool) {
	for _, n := range p.leaving {
		if n.Object == nil || n.Mark.Drained != nil {
			continue
		}
		c := &candidate{pool: p, node: n, pods: s.sim.Pods(n.Name())}
		movers, why, message := s.empty(c)
		mayKeep := keepable(n) && s.s.CloudErr == nil && p.Cloud.Health.Err == nil && p.Run() == nil
		if why != "" && mayKeep {
			s.uncordon(n)
			s.giveBack(p, n, Keep{Reason: NoLongerUnneeded, Message: because(string(why), message)})
			continue
		}
		if len(movers) > 0 || why != "" {
			s.drains++
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
	kept := map[string]bool{}
	for _, k := range s.plan.Keeps {
		kept[k.Node] = true
	}
	var out []*candidate
	for _, p := range s.pools {
		if p.spec == nil {
			s.forget(p)
			continue
		}
		for _, n := range p.Nodes {
			if n.Object == nil || kept[n.Name()] {
				continue
			}
			since := unneededSince(n)
			if why, message, unknown := s.outOfQuestion(p, n); why != "" {
				s.stay(p, n, why, message, !unknown && !since.IsZero())
				continue
			}
			c := &candidate{pool: p, node: n, since: since, pods: s.sim.Pods(n.Name())}
			c.used = utilization(n.Object, c.pods)
			out = append(out, c)
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

// outOfQuestion is why a node is not even looked at. With unknown set, that
// says nothing about whether it is needed, and its timer stands.
func (s *shrinking) outOfQuestion(p *pool, n *world.Node) (why Reason, message string, unknown bool) {
	protected, malformed := world.DoNotDisrupt(n.Object.Annotations, n.Object.CreationTimestamp.Time, s.s.Now)
	stage := n.Stage()
	switch {
	case p.spec.Down != nil && p.spec.Down.Disabled:
		return ScaleDownOff, "", false
	case s.s.CloudErr != nil:
		return CloudUnavailable, s.s.CloudErr.Error(), true
	case p.Cloud.Health.Err != nil:
		return CloudUnavailable, p.Cloud.Health.Err.Error(), true
	case p.Run() != nil:
		return PoolCycling, "", true
	case p.Paused():
		return PoolPaused, "", true
	case n.MarkErr != nil:
		return Disrupted, n.MarkErr.Error(), true
	case n.Mark != nil:
		return Disrupted, fmt.Sprintf("by %s, %s", n.Mark.Cause, n.Mark.Reason), true
	case stage != world.StageAvailable:
		return NotAvailable, "it is " + stage.String(), false
	case n.Object.Annotations[v1alpha1.AnnotationScaleDownDisabled] == "true":
		return ScaleDownDisabled, "", false
	case malformed:
		return DoNotDisrupt, fmt.Sprintf("its annotation %q is neither true nor a duration", n.Object.Annotations[v1alpha1.AnnotationDoNotDisrupt]), false
	case protected:
		return DoNotDisrupt, "", false
	case s.young(n):
		return Young, "its pods may still be on their way", false
	}
	return "", "", false
}

// young is whether the node's pods may still be on their way.
func (s *shrinking) young(n *world.Node) bool {
	since := n.Object.CreationTimestamp.Time
	if c := n.Condition(corev1.NodeReady); c != nil && c.LastTransitionTime.After(since) {
		since = c.LastTransitionTime.Time
	}
	return s.s.Now.Sub(since) < s.p.YoungNode
}

// unneededSince reads the node's timer; what cannot be read begins anew.
func unneededSince(n *world.Node) time.Time {
	t, err := time.Parse(time.RFC3339, n.Object.Annotations[v1alpha1.AnnotationUnneededSince])
	if err != nil {
		return time.Time{}
	}
	return t
}

// utilization is the largest share of the node's CPU, memory and accelerators
// that pods ask for, those of DaemonSets not counted.
func utilization(n *corev1.Node, pods []*corev1.Pod) float64 {
	u := newUsage()
	var counted []*corev1.Pod
	for _, pod := range pods {
		if !mirror(pod) && !ofDaemonSet(pod) {
			counted = append(counted, pod)
		}
	}
	u.add(n, counted)
	used := max(u.share(corev1.ResourceCPU), u.share(corev1.ResourceMemory))
	for name, have := range u.have {
		if gpu(name) && have > 0 {
			used = max(used, u.share(name))
		}
	}
	return used
}

// stay writes why a node stays, and stops its timer if clear is set.
func (s *shrinking) stay(p *pool, n *world.Node, why Reason, message string, clear bool) {
	s.plan.Nodes = append(s.plan.Nodes, NodeVerdict{n.Name(), p.Name, why, message})
	if clear {
		s.plan.Timers = append(s.plan.Timers, Timer{Node: n.Name(), Pool: p.Name, node: n})
	}
}
