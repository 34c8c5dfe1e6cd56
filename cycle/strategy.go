package cycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// strategyOf is how a run renews nodes: as recorded when it began. A run that
// was begun by an older version has no record and surges.
func strategyOf(spec *v1alpha1.CycleSpec, run *v1alpha1.CycleStatus) v1alpha1.CycleStrategy {
	switch {
	case run != nil && run.Strategy != "":
		return run.Strategy
	case run == nil && spec != nil && spec.Strategy != "":
		return spec.Strategy
	}
	return v1alpha1.StrategySurge
}

// For is the budget under a strategy: those that renew in place never grow the
// pool and always may take one node; blue-green may double it.
func (b Budget) For(s v1alpha1.CycleStrategy) Budget {
	switch s {
	case v1alpha1.StrategyInPlace, v1alpha1.StrategyBootVolume:
		b.Surge, b.Unavailable = 0, max(b.Unavailable, 1)
	case v1alpha1.StrategyBlueGreen:
		b.Surge, b.Unavailable = max(b.Desired, 1), 0
	}
	return b
}

// single is whether the run is about single nodes rather than the pool.
func single(run *v1alpha1.CycleStatus) bool { return strings.HasPrefix(run.Request, "node/") }

// actionFor is what is done to a node once it is empty; "" is to delete it.
func (d *decision) actionFor(n stale, run *v1alpha1.CycleStatus) kube.RepairAction {
	switch {
	case n.action == kube.RepairReplace:
		return ""
	case n.action != "":
		return n.action
	case n.reason == Surplus || n.reason == JoinTimeout:
		return ""
	}
	if _, tried := skippedUntil(n.Node); tried && broken(n.Node) {
		return "" // it did not come back the last time
	}
	inPlace := strategyOf(nil, run) == v1alpha1.StrategyBootVolume || run.Rung == rungBootVolume
	if inPlace && !n.request {
		return kube.RepairReplaceBootVolume
	}
	return ""
}

// pace is how fast a run may go now.
type pace struct {
	// hold is why no new node is begun at all; nil when some may be. What the
	// doctor asked for is not held.
	hold *Wait
	// limit is how many nodes may be in work at once, those included whose
	// machines are on their way out; below zero means no limit but the budget's.
	limit int
}

// pace looks at everything that may slow a run down beside its budget.
func (d *decision) pace(run *v1alpha1.CycleStatus, todo []stale, aborted bool) pace {
	p := pace{limit: -1}
	spec := d.pool.CycleSpec()
	if aborted || spec == nil {
		return p
	}
	for _, look := range []func(*v1alpha1.CycleStatus, *v1alpha1.CycleSpec, []stale) *Wait{d.window, d.releaseChanged, d.doubtsVolumes, d.blockedTooMany, d.stuck} {
		if w := look(run, spec, todo); w != nil {
			p.hold = w
			return p
		}
	}
	// Blue-green renews all at once by intent: its soak stands for the canary.
	canary := true
	if strategyOf(nil, run) != v1alpha1.StrategyBlueGreen {
		canary = d.canary(run, spec, &p)
		d.ramp(run, spec, todo, &p)
	}
	if p.hold == nil {
		p.hold = d.gates(run, spec, canary)
	}
	return p
}

// window holds a run while no window is open.
func (d *decision) window(_ *v1alpha1.CycleStatus, spec *v1alpha1.CycleSpec, _ []stale) *Wait {
	open, change, err := windowsAt(spec.Windows, d.s.Now)
	switch {
	case err != nil:
		return &Wait{BadWindow, err.Error()}
	case !open:
		return &Wait{OutsideWindow, "no window is open; the next one opens at " + clock(&change)}
	}
	return nil
}

// blockedTooMany holds a run when as many nodes as the spec allows refuse to
// become empty. Those are tried again (pace.tries), or it would hold for ever.
func (d *decision) blockedTooMany(_ *v1alpha1.CycleStatus, spec *v1alpha1.CycleSpec, todo []stale) *Wait {
	if spec.MaxBlocked == nil {
		return nil
	}
	given := givenUp(todo)
	if given < int(*spec.MaxBlocked) || given == len(todo) {
		return nil
	}
	return &Wait{TooManyBlocked, fmt.Sprintf("%s did not become empty in time, and maxBlocked is %d: nothing new is begun", several(given, "node"), *spec.MaxBlocked)}
}

// givenUp counts the nodes whose drain was given up, those included that are just being
// tried again.
func givenUp(todo []stale) int {
	count := 0
	for _, n := range todo {
		if _, before := skippedUntil(n.Node); before && (n.Mark == nil || n.Mark.Drained == nil) && !goingAway(n.Node) {
			count++
		}
	}
	return count
}

// tries is whether the node is one that may be begun although nothing new is: it was
// given up before, and with it tried again the hold may end.
func (p pace) tries(n stale) bool {
	_, before := skippedUntil(n.Node)
	return before && p.hold != nil && p.hold.Reason == TooManyBlocked
}

// canary lets a few nodes go first, and says whether they have.
func (d *decision) canary(run *v1alpha1.CycleStatus, spec *v1alpha1.CycleSpec, p *pace) (done bool) {
	if spec.Canary == nil || single(run) {
		return true
	}
	count, soak := 1, 5*time.Minute
	if c := spec.Canary.Count; c != nil {
		count = int(*c)
	}
	if s := spec.Canary.Soak; s != nil {
		soak = s.Duration
	}
	if int(run.Replaced+run.Stale) <= count {
		return true // the whole pool is no larger than its canary
	}
	if int(run.Replaced) < count {
		run.CanaryDoneAt = nil // a node of it was out of sight and is there again
		p.limit = count - int(run.Replaced)
		return false
	}
	if confirmed(run) < count {
		p.hold = &Wait{CanarySoak, "the canary has gone, by what one look has seen: the next one decides"}
		return false
	}
	soaked := run.CanaryDoneAt != nil && d.s.Now.Sub(run.CanaryDoneAt.Time) >= soak
	if soaked {
		return true
	}
	if n := d.firstUnwell(run); n != nil {
		run.CanaryDoneAt = nil // the time begins anew once it is well
		p.hold = &Wait{CanaryUnwell, fmt.Sprintf("the canary has gone, and new node %s is not well (%s): the rest does not follow before it is", n.Name(), n.Stage())}
		return false
	}
	if run.CanaryDoneAt == nil {
		run.CanaryDoneAt = timestamp(d.s.Now)
	}
	until := run.CanaryDoneAt.Add(soak)
	p.hold = &Wait{CanarySoak, fmt.Sprintf("the canary has gone; the rest follows at %s if it stays well", clock(&until))}
	return false
}

// firstUnwell is a node born in the run that cannot be counted on.
func (d *decision) firstUnwell(run *v1alpha1.CycleStatus) *world.Node {
	i := slices.IndexFunc(d.pool.Nodes, func(n *world.Node) bool {
		return machine(n) && !goingAway(n) && n.Mark == nil && d.born(n, run) && (!n.Available() || d.lacks[n] != "")
	})
	if i < 0 {
		return nil
	}
	return d.pool.Nodes[i]
}

// born is whether the machine came to be in the run.
func (d *decision) born(n *world.Node, run *v1alpha1.CycleStatus) bool {
	created := n.Created()
	return !created.IsZero() && !created.Before(run.StartedAt.Time)
}

// ramp limits how many nodes are in work by how many have gone well.
func (d *decision) ramp(run *v1alpha1.CycleStatus, spec *v1alpha1.CycleSpec, todo []stale, p *pace) {
	if spec.Ramp == nil || single(run) {
		return
	}
	limit := 1
	if i := spec.Ramp.Initial; i != nil {
		limit = int(*i)
	}
	limit = max((limit+confirmed(run))>>min(len(run.FailedJoins)+givenUp(todo), 16), 1)
	if p.limit < 0 || limit < p.limit {
		p.limit = limit
	}
}

// room is how many more nodes may be begun when so many are in work.
func (p pace) room(inWork int) int {
	if p.limit < 0 {
		return 1 << 30
	}
	return max(p.limit-inWork, 0)
}

// inWork counts the nodes that have been begun and are not gone.
func inWork(todo []stale) int {
	count := 0
	for _, n := range todo {
		if n.Mark != nil || goingAway(n.Node) {
			count++
		}
	}
	return count
}

// holds says why a node is not begun, whatever the budget allows; so many more
// may be.
func (p pace) holds(n stale, left int) *Wait {
	switch {
	case n.doctor || n.reason == JoinTimeout || p.tries(n):
		return nil
	case p.hold != nil:
		return p.hold
	case left <= 0:
		return &Wait{CanaryFirst, several(p.limit, "node") + " may be in work at once now: more follow when the last have gone well"}
	}
	return nil
}
