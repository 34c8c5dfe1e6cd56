package cycle

import (
	"slices"
	"time"

	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/world"
)

// A drain that runs out of time doubles for how long its node is left alone, since
// most budgets that allowed nothing for minutes go on so. Where a run takes many nodes
// at once it is another matter: the pods of one application share one budget, each
// drain waits for the others, and the last ones are given up although nothing is
// wrong. Once the others are through, their nodes are all that is left, and to leave
// them alone for an hour would be a run that hangs.

// skipFor is how long a node is left alone after so many drains that ran out of time.
func (p Policy) skipFor(times int) time.Duration {
	return min(p.SkipFor<<min(max(times-1, 0), maxSkips), maxSkips*p.SkipFor)
}

// leftAlone is until when the node is left alone, and whether its drain was given up
// before. A time farther off than the longest of these is that of a clock that was
// wrong: it would hold up a run for as long as that was.
func (d *decision) leftAlone(n *world.Node) (until time.Time, before bool) {
	until, before = skippedUntil(n)
	if until.Sub(d.s.Now) > (maxSkips+1)*d.policy.SkipFor {
		return time.Time{}, before
	}
	return until, before
}

// eased is whether what kept the node is over before its time is: no other node of the
// pool is being emptied, nothing on it is refused, and each budget of its pods allows an
// eviction now. It is never so before the first of the doubled times is over, and not
// where this was tried: a budget that allows one eviction may keep the pod after it, for
// want of room for the first, and to try that every ten minutes is to move the first
// one's pod every ten minutes.
func (d *decision) eased(n *world.Node) bool {
	given, _ := skipped(n)
	gaveUp := given.Until.Add(-d.policy.skipFor(given.Times))
	if n.Object == nil || given.Times < 2 || given.Alone >= maxAlone || d.s.Now.Before(gaveUp.Add(d.policy.SkipFor)) || d.othersEmptied(n) {
		return false
	}
	t := drain.Target{Node: n.Object, Pods: n.Pods, Around: around(d.s), Terms: terms(d.pool)}
	return t.Allowed(d.s.Now)
}

// maxAlone is after how many drains in a row that ran out of time alone nothing is
// eased any more. One may have lost its time while others were still being emptied.
const maxAlone = 2

// othersEmptied is whether another node of the pool is being emptied.
func (d *decision) othersEmptied(n *world.Node) bool {
	return slices.ContainsFunc(d.pool.Nodes, func(o *world.Node) bool { return o != n && emptying(o) })
}
