// Package cycle takes nodes out of pools. It is the only verb that does: it
// replaces the nodes that a person or the doctor asked to have replaced, turns
// a pool over to a new release, and finishes what scale-down has begun. One
// executor means one budget: repair comes first, then cycling, then scale-down.
//
//	annotation ─► StartRun ─► Surge ─► (new node passes the doctor's gate)
//	                 ▲                      │
//	                 │                      ▼
//	              desired   Mark+cordon one old node ─► Drain ─► MarkDrained ─► DeleteInstance
//	              recorded                  ▲                                        │
//	                                        └──── until no stale node is left ◄──────┘
//	                                                      │
//	                                                  FinishRun
//
// [Decide] is pure: the snapshot in, steps and reasons out. Where a run stands
// is never stored; it is read off the nodes each time. Three things cannot be
// read off them and are records, written before the deed they belong to: which
// request a run answers, when it began, and how large the pool was before any
// surge (status.cycle); and on each Node the mark that says why it is cordoned,
// since when, and whether it was seen empty. A process killed between any two
// calls therefore finds, started again, the same next step.
//
// Two numbers hold everything together. The Floor: a node is taken only if the
// pool still has desired − maxUnavailable available nodes without it. The
// Ceiling: the pool grows only while all its machines, those still terminating
// included, stay within desired + maxSurge.
package cycle

import (
	"sort"

	"github.com/tidemill/tidemill/internal/world"
)

// Plan is what is to be done now, and why the rest is not.
type Plan struct {
	// Steps are in the order in which they are carried out.
	Steps []Step `json:"steps"`
	// Pools has a report for each pool, by name; pools that vanished come last.
	Pools []Report `json:"pools"`
}

// Decide says what to do next. It is pure, and the same snapshot gives the same
// plan.
func Decide(s *world.Snapshot, p Policy) Plan {
	p = p.withDefaults()
	p.yields = deadlocks(s, p.Drains)
	var plan Plan
	for _, pool := range s.Pools {
		d := newDecision(s, pool, p)
		d.decide()
		plan.add(d)
	}
	for _, o := range s.Orphans {
		plan.add(decideOrphan(s, o, p))
	}
	plan.Steps = append(plan.Steps, strays(s)...)
	return plan
}

func (p *Plan) add(d *decision) {
	r := &d.report
	sort.SliceStable(r.Blocked, func(i, j int) bool { return r.Blocked[i].Node < r.Blocked[j].Node })
	p.Steps = append(p.Steps, d.steps...)
	p.Pools = append(p.Pools, d.report)
}

// decision is the making of one pool's part of a plan.
type decision struct {
	s      *world.Snapshot
	pool   *world.Pool
	policy Policy
	report Report
	steps  []Step
	lacks  map[*world.Node]string // what new nodes need before they count
	// soaking are the nodes that stand empty until a blue-green run's others are.
	soaking int
	// What is looked up once in a decision, when somebody asks.
	bound     *volumes
	published map[string]map[string]bool // see devices
}

func newDecision(s *world.Snapshot, pool *world.Pool, p Policy) *decision {
	d := &decision{s: s, pool: pool, policy: p}
	d.report = Report{Pool: pool.Name, Size: pool.Cloud.Size, Desired: pool.Desired(), Stages: map[string]int{}, object: pool.Object}
	for _, n := range pool.Nodes {
		d.report.Stages[n.Stage().String()]++
	}
	if pool.Object != nil {
		d.report.Cycle, d.report.Last = pool.Object.Status.Cycle.DeepCopy(), pool.Object.Status.LastCycle.DeepCopy()
	}
	d.report.Drifted = drifted(pool)
	return d
}

// decide is the whole of a pool's decision, read from top to bottom.
func (d *decision) decide() {
	switch {
	case d.s.CloudErr != nil:
		d.unheard("the cloud does not answer; see condition Ready")
		return
	case d.pool.Cloud.Health.Err != nil:
		d.unheard("the cloud does not answer for this node pool; see condition Ready")
		return
	case d.pool.Object == nil:
		d.outOfService()
		d.releaseAll("the pool has no Pool object")
		return
	}
	d.outOfService()
	if run := d.report.Cycle; run != nil {
		if d.elsewhere(run) {
			return
		}
		d.adopt(run)
		d.stand(run)
	}
	d.takenOff()
	if d.pool.Paused() {
		d.paused()
		return
	}
	want := d.requests()
	if d.pool.Run() == nil {
		d.lost(nil)
		d.unjoined()
		d.idle(want)
		return
	}
	d.run(want)
	if run := d.report.Cycle; run != nil {
		d.sink(run)
	}
}

func (d *decision) do(s Step) {
	s.Pool = d.pool.Name
	s.PoolID = d.pool.Cloud.ID
	d.steps = append(d.steps, s)
}

// wait says why the pool as a whole does not go on; the first reason stands.
func (d *decision) wait(r Reason, message string) {
	if d.report.Wait == nil {
		d.report.Wait = &Wait{Reason: r, Message: message}
	}
}

// block says why a node does not go on.
func (d *decision) block(n *world.Node, r Reason, message string) {
	d.report.Blocked = append(d.report.Blocked, Blocked{Node: n.Name(), Reason: r, Message: message})
}
