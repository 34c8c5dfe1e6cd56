package cycle

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// room is what may still be taken, kept up to date as nodes are.
type room struct {
	budget    Budget
	available int
	zones     map[cloudprovider.Zone]int
	slots     int // drains that may still begin
	braked    bool
	broken    []*world.Node          // these do not work
	lacks     map[*world.Node]string // these are not counted on yet
	gone      map[*world.Node]bool   // taken by this decision
	theirs    int                    // nodes that people have cordoned
	now       time.Time
}

// isolate picks the nodes that are taken now, and says of each other why not.
func (d *decision) isolate(b Budget, run *v1alpha1.CycleStatus, todo []stale, extra []stale, held int, p pace) {
	r := d.room(b, run, todo, held)
	left := p.room(inWork(todo))
	ahead := 0
	if p.hold == nil {
		p.hold, ahead = d.green(run, todo)
	}
	taken, zoned, bound := 0, []stale(nil), []stale(nil)
	var first *Wait
	for _, n := range d.ordered(slices.Concat(todo, extra)) {
		if n.Mark != nil || n.MarkErr != nil || goingAway(n.Node) || !d.takeable(n) {
			continue
		}
		if why := p.holds(n, left-taken); why != nil && taken >= ahead {
			d.block(n.Node, why.Reason, why.Message)
			if first == nil {
				first = why
			}
			continue
		}
		slack := 0
		if n.reason == Surplus {
			slack = r.theirs
		}
		why := r.refuses(n.Node, slack)
		if (why.Reason == "" || why.Reason == BelowZoneFloor) && r.cost(n.Node) > 0 && d.actionFor(n, run) == "" {
			if w := d.noPlaceForVolumes(n.Node, r.gone); w.Reason != "" {
				why = w
			}
		}
		switch why.Reason {
		case "":
			r.spend(n.Node)
			d.mark(n, run)
			taken++
		case BelowZoneFloor:
			zoned = append(zoned, n)
			d.block(n.Node, why.Reason, why.Message)
		case NoPlaceForVolume:
			bound = append(bound, n)
			d.block(n.Node, why.Reason, why.Message)
			if first == nil {
				first = &why
			}
		default:
			d.block(n.Node, why.Reason, why.Message)
			if first == nil {
				first = &why
			}
		}
	}
	if taken+held == 0 && d.quiet() {
		if taken += d.yield(r, run, zoned); taken == 0 && (b.Unavailable > 0 || d.pool.CycleSpec().GetFallback().Unavailable) {
			taken += d.yield(r, run, bound)
		}
	}
	if first != nil && taken+held == 0 {
		d.wait(waiting(first.Reason), first.Message)
	}
}

// quiet is whether no machine is coming or going, so that nothing will change by
// itself. Blue nodes that stand empty until all are do not either.
func (d *decision) quiet() bool {
	all, _ := d.pool.Counts()
	grows := slices.ContainsFunc(d.steps, func(s Step) bool { return s.Kind == Surge })
	return all.Coming+all.Disrupted <= d.soaking && !grows
}

// yield takes one of the nodes that only their zones' floors hold. The cloud
// chooses where a new node lands; if it chose zones that have no old node left,
// no zone could give one, and the run would wait for ever
// (docs/decisions/0004-zone-floor.md).
func (d *decision) yield(r *room, run *v1alpha1.CycleStatus, zoned []stale) int {
	if len(zoned) == 0 || r.slots <= 0 || r.available-1 < r.budget.Floor() {
		return 0
	}
	n := slices.MaxFunc(zoned, func(a, b stale) int { return cmp.Compare(r.zones[a.Zone()], r.zones[b.Zone()]) })
	r.spend(n.Node)
	d.unblock(n.Node)
	d.mark(n, run)
	return 1
}

// waiting is a node's reason as the pool's.
func waiting(r Reason) Reason {
	if r == BelowFloor {
		return WaitingForSurge
	}
	return r
}

func (d *decision) room(b Budget, run *v1alpha1.CycleStatus, todo []stale, held int) *room {
	all, zones := d.pool.Counts()
	r := &room{budget: b, available: all.Available, zones: map[cloudprovider.Zone]int{}, gone: map[*world.Node]bool{}, slots: d.maxParallel() - held, lacks: d.lacks, now: d.s.Now}
	if strategyOf(nil, run) == v1alpha1.StrategyBlueGreen {
		r.slots = max(r.slots, len(todo)) // all are cordoned at once, and emptied in turn
	}
	for _, z := range d.pool.Cloud.Zones() {
		r.zones[z] = zones[z].Available
	}
	for n := range d.lacks {
		r.available--
		if r.known(n) {
			r.zones[n.Zone()]--
		}
	}
	for _, n := range d.pool.Nodes {
		if broken(n) {
			r.broken = append(r.broken, n)
		}
		if n.Stage() == world.StageCordoned && n.Mark == nil {
			r.theirs++
		}
	}
	r.braked = len(r.broken) > b.Brake()
	return r
}

// refuses says why there is no room to take a node; no reason means that there is.
// slack is by how many nodes the pool was short before the run, by people's doing:
// what the run has added it may take away again.
func (r *room) refuses(n *world.Node, slack int) Wait {
	switch {
	case r.slots <= 0:
		return Wait{ParallelDrains, "as many nodes as may be are being emptied"}
	case broken(n) && r.braked && r.available < r.budget.Floor():
		return Wait{Braked, fmt.Sprintf("%d of %d nodes are broken: a common cause is likelier than so many broken machines; raise maxUnavailable to go on", len(r.broken), r.budget.Desired)}
	case broken(n) && !n.Available() && !doubted(n, r.now):
		return Wait{}
	case r.available-r.cost(n) < r.budget.Floor()-slack:
		return Wait{BelowFloor, fmt.Sprintf("%s available and %d must remain: waiting for %s", several(r.available, "node", "is", "are"), r.budget.Floor(), r.relief())}
	case r.cost(n) > 0 && r.known(n) && r.zones[n.Zone()]-1 < r.budget.ZoneFloor()-slack:
		return Wait{BelowZoneFloor, fmt.Sprintf("%s available in zone %s and %d must remain", several(r.zones[n.Zone()], "node", "is", "are"), n.Zone(), r.budget.ZoneFloor())}
	}
	return Wait{}
}

// relief is what would make room. A new node is not all that can be missing: with as
// many machines as may be, the broken ones that nobody takes have to work again.
func (r *room) relief() string {
	var names []string
	for _, n := range r.broken {
		if n.Mark == nil && !r.gone[n] {
			names = append(names, n.Name())
		}
	}
	if len(names) == 0 {
		return "a new node"
	}
	return "a new node, or for " + few(names) + " to work again"
}

func (r *room) spend(n *world.Node) {
	r.slots--
	r.gone[n] = true
	r.available -= r.cost(n)
	if r.known(n) {
		r.zones[n.Zone()] -= r.cost(n)
	}
}

func (r *room) known(n *world.Node) bool {
	_, ok := r.zones[n.Zone()]
	return ok
}

// cost is 1 for a node that is counted on.
func (r *room) cost(n *world.Node) int {
	if n.Available() && r.lacks[n] == "" {
		return 1
	}
	return 0
}

// takeable is whether the node itself allows it, whatever the budget says.
func (d *decision) takeable(n stale) bool {
	until, _ := d.leftAlone(n.Node)
	switch {
	case n.Stage() == world.StageUnknown:
		d.block(n.Node, StateUnknown, "the cloud reports a state that this version does not know")
	case n.Object == nil:
		d.unregistered(n)
	case d.protected(n.Node):
		d.block(n.Node, DoNotDisrupt, "annotation "+v1alpha1.AnnotationDoNotDisrupt+" protects the node")
	case d.s.Now.Before(until) && !d.eased(n.Node):
		d.block(n.Node, DrainSkipped, "its drain ran out of time; it is tried again at "+clock(&until))
	case n.doctor && doubted(n.Node, d.s.Now):
		d.block(n.Node, NotExamined, lookFirst)
	case n.reason == JoinTimeout || n.reason == Surplus:
		return true
	case d.lacks[n.Node] != "" && !n.request:
		// said for every newcomer already
	case coming(n.Node) && !broken(n.Node) && !d.old(n.Node):
		d.block(n.Node, NotExamined, fmt.Sprintf("the node is not available yet (%s)", n.Stage()))
	default:
		return true
	}
	return false
}

// unregistered deletes an old instance that never became a Node, when it has
// had its time.
func (d *decision) unregistered(n stale) {
	if n.reason == Surplus || d.old(n.Node) {
		d.do(nodeStep(DeleteInstance, n.Node))
		return
	}
	d.block(n.Node, StillJoining, "the instance has not become a node yet")
}

// old is whether a node that is not Ready has had its time to become so. A
// Ready one that nobody has examined may carry load and is never old.
func (d *decision) old(n *world.Node) bool {
	return n.Stage() != world.StageGated && !n.Created().IsZero() && d.hadTime(n, n.Created())
}

// hadTime is whether what is waited for since then has had its time, and had it under
// our eyes: the cloud's clock may have been set since it dated the machine, and who has
// just begun would give up one of a minute for one of a day.
func (d *decision) hadTime(n *world.Node, since time.Time) bool {
	return min(d.s.Now.Sub(since), n.Watched(d.s.Now)) >= d.joinTimeout()
}

func (d *decision) mark(n stale, run *v1alpha1.CycleStatus) {
	s := nodeStep(Mark, n.Node)
	s.Action = d.actionFor(n, run)
	s.Cause, s.Reason, s.Message = kube.CauseCycle, n.reason, n.message
	if n.doctor {
		s.Cause = kube.CauseRepair
	}
	d.do(s)
}

func (d *decision) unblock(n *world.Node) {
	d.report.Blocked = slices.DeleteFunc(d.report.Blocked, func(b Blocked) bool { return b.Node == n.Name() })
}

// ordered is order, zone by zone if the pool wants it so.
func (d *decision) ordered(list []stale) []stale {
	list = d.slowFirst(order(list))
	if s := d.pool.CycleSpec(); s == nil || s.Order != v1alpha1.OrderZone {
		return list
	}
	slices.SortStableFunc(list, func(a, b stale) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Zone(), b.Zone()))
	})
	return list
}

// neverCame is whether a machine from before the run has had its time to become a
// node. The run did not ask for it and does not count it as its own failure, and
// yet would wait for it to the end: its place is needed.
func (d *decision) neverCame(n *world.Node, run *v1alpha1.CycleStatus) bool {
	return n.Object == nil && coming(n) && !d.born(n, run) && d.old(n)
}

// slow is the grace period from which a pod is likely to decide when a run ends.
const slow = 10 * time.Minute

// slowFirst brings forward the nodes with a pod that may take long to leave, the
// longest first: begun last, it would be waited for alone when all others are
// done. A canary is no place for them.
func (d *decision) slowFirst(list []stale) []stale {
	spec, run := d.pool.CycleSpec(), d.report.Cycle
	if spec == nil || spec.Canary != nil && run != nil && run.CanaryDoneAt == nil {
		return list
	}
	takes := map[*world.Node]time.Duration{}
	for _, n := range list {
		for _, p := range n.Pods {
			if s := p.Spec.TerminationGracePeriodSeconds; s != nil && time.Duration(*s)*time.Second >= slow {
				takes[n.Node] = max(takes[n.Node], time.Duration(*s)*time.Second)
			}
		}
	}
	if len(takes) == 0 {
		return list
	}
	slices.SortStableFunc(list, func(a, b stale) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(takes[b.Node], takes[a.Node]))
	})
	return list
}

// order sorts by who goes first: what was given up before goes last; broken
// nodes cost nothing and go first, then what the doctor and people asked for by
// name, then the oldest.
func order(list []stale) []stale {
	slices.SortStableFunc(list, func(a, b stale) int {
		if a.reason == Surplus && b.reason == Surplus {
			return 0 // newest first already
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Created().Compare(b.Created()), cmp.Compare(a.ID(), b.ID()))
	})
	return list
}

func rank(n stale) int {
	switch _, before := skippedUntil(n.Node); {
	case before:
		return 4
	case broken(n.Node):
		return 0
	case n.doctor:
		return 1
	case n.request:
		return 2
	}
	return 3
}

// extra are the nodes that go for another reason than being stale. A run that ends
// makes nothing anew: of what has not joined no more goes than is beyond the pool's
// size.
func (d *decision) extra(run *v1alpha1.CycleStatus, todo []stale) []stale {
	var out []stale
	add := func(n *world.Node, r Reason, message string) {
		same := func(s stale) bool { return s.Node == n }
		if !slices.ContainsFunc(todo, same) && !slices.ContainsFunc(out, same) {
			out = append(out, stale{Node: n, reason: r, message: message})
		}
	}
	if d.ends(run) == nil {
		for _, n := range d.failedNodes(run) {
			add(n, JoinTimeout, "it did not become available in time and carries nothing")
		}
		for _, n := range d.pool.Nodes {
			if d.neverCame(n, run) {
				add(n, JoinTimeout, "it was made before the run and has not become a node in time")
			}
		}
	}
	beyond := fmt.Sprintf("nothing is left to be replaced, and the pool has a size of %d, which is larger than the %d it is to have", d.pool.Cloud.Size, run.Desired)
	for _, n := range d.surplus(run, len(todo)) {
		add(n, Surplus, beyond)
	}
	return out
}
