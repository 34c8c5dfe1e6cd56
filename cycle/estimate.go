package cycle

import (
	"fmt"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/world"
)

// Estimate is how long a run would take if nothing stood in its way, and what that
// rests on.
type Estimate struct {
	Seconds int64  `json:"seconds"`
	Basis   string `json:"basis"`
}

// What is assumed where nothing was observed: a machine's way from its launch to a
// ready node, and its end. A volume needs time to be detached.
const (
	joinAssumed      = 4 * time.Minute
	terminateAssumed = 3 * time.Minute
	detachAssumed    = 20 * time.Second
)

// estimate is the pipelined bound: nodes × time of one ÷ how many at once, and never
// less than the slowest of them takes.
func (f *preflight) estimate() Estimate {
	if len(f.old) == 0 {
		return Estimate{0, "no node is to be replaced"}
	}
	d := newDecision(f.s, f.pool, Policy{}.withDefaults())
	b := d.full(nil)
	parallel := max(min(b.Surge+b.Unavailable, d.maxParallel()), 1)
	join, how := f.join()
	var sum, slowest time.Duration
	for _, n := range f.old {
		drains := f.drains(n)
		sum += join + drains + terminateAssumed
		slowest = max(slowest, join+drains+terminateAssumed)
	}
	mean := sum / time.Duration(len(f.old))
	total := max(time.Duration(math.Ceil(float64(len(f.old))/float64(parallel)))*mean, slowest)
	soak := f.soak()
	return Estimate{int64((total + soak).Seconds()), fmt.Sprintf(
		"%d nodes, %d at once, %s each: %s until a new one is available (%s), %s to empty one on average by its pods' grace periods, %s assumed for its end; canary and soak %s; windows, gates and refused evictions come on top",
		len(f.old), parallel, mean.Round(time.Second), join.Round(time.Second), how, (mean - join - terminateAssumed).Round(time.Second), terminateAssumed, soak)}
}

// join is the median time from launch to Ready of the pool's own nodes.
func (f *preflight) join() (time.Duration, string) {
	var seen []time.Duration
	for _, n := range f.pool.Nodes {
		c := n.Condition(corev1.NodeReady)
		if c == nil || c.Status != corev1.ConditionTrue || n.Created().IsZero() {
			continue
		}
		// A node that was not ready for a while since says nothing of its first time.
		if took := c.LastTransitionTime.Sub(n.Created()); took > 0 && took < time.Hour {
			seen = append(seen, took)
		}
	}
	if len(seen) == 0 {
		return joinAssumed, "assumed"
	}
	slices.Sort(seen)
	return seen[len(seen)/2], "median of " + several(len(seen), "node")
}

// drains is how long the node would take to become empty if each pod took all of
// its grace period.
func (f *preflight) drains(n *world.Node) time.Duration {
	total := drain.MinDrain
	if n.Object == nil {
		return 0
	}
	t := terms(f.pool)
	target := drain.Target{Node: n.Object, Pods: n.Pods, Terms: t, Around: around(f.s)}
	var waves [2]time.Duration
	var volumes time.Duration
	for _, p := range target.Classify(f.s.Now).Evictable {
		grace := 30 * time.Second
		if s := p.Spec.TerminationGracePeriodSeconds; s != nil {
			grace = time.Duration(*s) * time.Second
		}
		if target.Attached(p) {
			volumes += grace + detachAssumed
		}
		waves[drain.Wave(p)] = max(waves[drain.Wave(p)], grace)
	}
	total = max(total, max(waves[0]+waves[1], volumes)+drain.Patience(n.Pods, t))
	if traffic := drain.TrafficOf(n.Object, n.Pods, f.s.Balancers); traffic == drain.Serving {
		total += t.Dwell
	} else if traffic == drain.Passing {
		total = max(total, t.Dwell)
	}
	return total
}

// soak is the time in which a run stands by its user's wish.
func (f *preflight) soak() time.Duration {
	spec := f.pool.CycleSpec()
	if spec == nil || spec.Canary == nil || len(f.old) < 2 || f.out.Strategy == v1alpha1.StrategyBlueGreen {
		return 0
	}
	if spec.Canary.Soak != nil {
		return spec.Canary.Soak.Duration
	}
	return 5 * time.Minute
}
