package scale

import (
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/plain"
	"github.com/tidemill/tidemill/internal/world"
)

// maxStatusMessage is where cluster-autoscaler cuts messages.
const maxStatusMessage = 500

// statusOf is the look in cluster-autoscaler's words.
func statusOf(s *world.Snapshot, plan Plan, p Policy) caStatus {
	at := metav1.NewTime(s.Now.UTC().Truncate(time.Second))
	out := caStatus{Time: s.Now.UTC().Format(lastUpdatedFormat), AutoscalerStatus: "Running"}
	all := caGroup{ScaleUp: caCondition{Status: "NoActivity"}, ScaleDown: caCondition{Status: "NoCandidates"}}
	candidates := 0
	for _, wp := range s.Pools {
		if wp.ScaleSpec() == nil {
			continue
		}
		g := groupStatus(s, plan, wp, p)
		all.Health.NodeCounts.add(g.Health.NodeCounts)
		candidates += *g.ScaleDown.Candidates
		if g.ScaleUp.Status == "InProgress" {
			all.ScaleUp.Status = "InProgress"
		}
		out.NodeGroups = append(out.NodeGroups, g)
	}
	if all.ScaleUp.Status == "NoActivity" && needed(plan) {
		all.ScaleUp.Status = "Needed"
	}
	all.ScaleDown.Candidates = &candidates
	if candidates > 0 {
		all.ScaleDown.Status = "CandidatesPresent"
	}
	all.Health.Status = "Healthy"
	if s.CloudErr != nil || all.Health.NodeCounts.sick(p) {
		all.Health.Status = "Unhealthy"
	}
	if s.CloudErr != nil {
		out.Message = cut(s.CloudErr.Error())
	}
	out.ClusterWide = all
	out.each(func(h *caHealth, c ...*caCondition) {
		h.LastProbeTime, h.LastTransitionTime = at, at
		for _, c := range c {
			c.LastProbeTime, c.LastTransitionTime = at, at
		}
	})
	return out
}

func groupStatus(s *world.Snapshot, plan Plan, wp *world.Pool, p Policy) caGroup {
	target, lo, hi := wp.Cloud.Size, int(wp.ScaleSpec().MinSize), int(wp.ScaleSpec().MaxSize)
	g := caGroup{Name: string(wp.Cloud.ID), ScaleUp: caCondition{Status: "NoActivity"}, ScaleDown: caCondition{Status: "NoCandidates"}}
	g.Health = caHealth{Status: "Healthy", CloudProviderTarget: &target, MinSize: &lo, MaxSize: &hi}
	for _, n := range wp.Nodes {
		g.Health.NodeCounts.count(n, s.Now)
	}
	if wp.Cloud.Health.Err != nil || s.CloudErr != nil || g.Health.NodeCounts.sick(p) {
		g.Health.Status = "Unhealthy"
	}
	for _, grow := range plan.Grows {
		if grow.Pool == wp.Name {
			g.ScaleUp.Status = "InProgress"
		}
	}
	if c := g.Health.NodeCounts; c.Unregistered+c.Registered.NotStarted > 0 {
		g.ScaleUp.Status = "InProgress"
	}
	if v := plan.poolVerdict(wp.Name); v != nil && (v.Reason == BackedOff || v.Reason == Runaway) {
		g.ScaleUp.Status = "Backoff"
		g.ScaleUp.BackoffInfo = &caBackoff{ErrorCode: string(v.Reason), ErrorMessage: cut(v.Message)}
		if v.Scale != nil && v.Reason == BackedOff && v.Scale.Reason != "" {
			g.ScaleUp.BackoffInfo.ErrorCode = v.Scale.Reason
		}
	}
	n := candidatesOf(plan, wp.Name)
	g.ScaleDown.Candidates = &n
	if n > 0 {
		g.ScaleDown.Status = "CandidatesPresent"
	}
	return g
}

// candidatesOf is how many nodes of the pool the cluster could do without.
func candidatesOf(plan Plan, pool string) (n int) {
	for _, r := range plan.Removals {
		if r.Pool == pool {
			n++
		}
	}
	for _, v := range plan.Nodes {
		if v.Pool == pool && (v.Reason == NotYet || v.Reason == TooManyLeaving || v.Reason == CoolingDown) {
			n++
		}
	}
	return n
}

// needed is whether a pod waits that nothing helps and something could.
func needed(plan Plan) bool {
	for _, v := range plan.Verdicts {
		if v.news() {
			return true
		}
	}
	return false
}

func (c *caCounts) count(n *world.Node, now time.Time) {
	switch stateOf(n, now) {
	case "longUnregistered":
		c.LongUnregistered++
		return
	case "unregistered":
		c.Unregistered++
		return
	case "ready":
		c.Registered.Ready++
	case "notStarted":
		c.Registered.NotStarted++
	default:
		c.Registered.Unready.Total++
	}
	c.Registered.Total++
	if n.Mark != nil && n.Mark.DrainStarted != nil || n.Stage() == world.StageTerminating {
		c.Registered.BeingDeleted++
	}
}

func (c *caCounts) add(o caCounts) {
	c.LongUnregistered += o.LongUnregistered
	c.Unregistered += o.Unregistered
	c.Registered.Total += o.Registered.Total
	c.Registered.Ready += o.Registered.Ready
	c.Registered.NotStarted += o.Registered.NotStarted
	c.Registered.BeingDeleted += o.Registered.BeingDeleted
	c.Registered.Unready.Total += o.Registered.Unready.Total
}

// sick is cluster-autoscaler's rule: more than three nodes unready, and more of
// all than the brake allows.
func (c *caCounts) sick(p Policy) bool {
	bad := c.Registered.Unready.Total + c.LongUnregistered
	return bad > 3 && bad*100 > (c.Registered.Total+c.LongUnregistered)*p.BrakePercent
}

func (s *caStatus) each(visit func(*caHealth, ...*caCondition)) {
	visit(&s.ClusterWide.Health, &s.ClusterWide.ScaleUp, &s.ClusterWide.ScaleDown)
	for i := range s.NodeGroups {
		g := &s.NodeGroups[i]
		visit(&g.Health, &g.ScaleUp, &g.ScaleDown)
	}
}

// follow takes over the times of what has not changed since old, and says
// whether nothing has.
func (s *caStatus) follow(old caStatus) bool {
	before := map[string]*caGroup{"": &old.ClusterWide}
	for i := range old.NodeGroups {
		before[old.NodeGroups[i].Name] = &old.NodeGroups[i]
	}
	groups := []*caGroup{&s.ClusterWide}
	for i := range s.NodeGroups {
		groups = append(groups, &s.NodeGroups[i])
	}
	for _, g := range groups {
		b := before[g.Name]
		if b == nil {
			continue
		}
		if b.Health.Status == g.Health.Status {
			g.Health.LastTransitionTime = b.Health.LastTransitionTime
		}
		if b.ScaleUp.Status == g.ScaleUp.Status {
			g.ScaleUp.LastTransitionTime = b.ScaleUp.LastTransitionTime
		}
		if b.ScaleDown.Status == g.ScaleDown.Status {
			g.ScaleDown.LastTransitionTime = b.ScaleDown.LastTransitionTime
		}
	}
	return reflect.DeepEqual(s.timeless(), old.timeless())
}

// timeless is a copy without any time.
func (s caStatus) timeless() caStatus {
	s.NodeGroups = append([]caGroup(nil), s.NodeGroups...)
	s.Time = ""
	s.each(func(h *caHealth, c ...*caCondition) {
		h.LastProbeTime, h.LastTransitionTime = metav1.Time{}, metav1.Time{}
		for _, c := range c {
			c.LastProbeTime, c.LastTransitionTime = metav1.Time{}, metav1.Time{}
		}
	})
	return s
}

func cut(text string) string { return plain.Cut(text, maxStatusMessage) }
