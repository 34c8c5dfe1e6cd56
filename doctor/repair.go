package doctor

import (
	"fmt"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// Plan is what is to be done about the cases of one look.
type Plan struct {
	// Publish and Drop are conditions of Nodes, see publish.go.
	Publish []Publication
	Drop    []*world.Node
	// Repairs has one entry for every failing node of a pool whose repair is on,
	// also when nothing is done about it, and one for every request that is taken
	// back or has been answered. In order of pool, then node.
	Repairs []Repair
	// Brakes has one entry for every pool whose repair is on, and Records what
	// has to stand on each such Pool; in the same order.
	Brakes  []Brake
	Records []PoolRecord
	// Unbrake are Pools that carry the doctor's record though their repair is off.
	Unbrake []*v1alpha1.Pool
}

// Repair is what is done about one node, and why.
type Repair struct {
	Pool *world.Pool
	Node *world.Node
	Act  Act
	// Action is what is asked for; "" unless Act is ActReport or ActRequest.
	Action kube.RepairAction
	// Check is the check whose failure asks for it; "" for Withdraw and Note.
	Check string
	// Since is when the node was condemned, Now when this was decided.
	Since, Now time.Time
	// Reason says why not, or why it is taken back.
	Reason  RepairReason
	Message string
}

// Act is what repair does about a node.
type Act int

const (
	// ActNone: nothing; the reason says why.
	ActNone Act = iota
	// ActReport: it would ask, but the pool's mode is DryRun.
	ActReport
	// ActRequest: it asks for an action by annotation.
	ActRequest
	// ActWithdraw: it takes its own request back, which nobody has acted on.
	ActWithdraw
	// ActNote: it notes on the Node that the request is off, answered by the executor
	// or not.
	ActNote
	// ActForget: it takes off the Node what of its record nobody counts any more.
	ActForget
)

// String gives the act as metrics spell it.
func (a Act) String() string {
	switch a {
	case ActReport:
		return "report"
	case ActRequest:
		return "request"
	case ActWithdraw:
		return "withdraw"
	case ActNote:
		return "note"
	case ActForget:
		return "forget"
	}
	return "none"
}

// Decide says what to write and what to ask for. It is pure; sight is what
// earlier looks lend to it.
func Decide(s *world.Snapshot, cases []Case, sight Sight, policy Policy) Plan {
	policy = policy.withDefaults()
	var plan Plan
	plan.Publish, plan.Drop = publications(s, cases, policy)
	plan.Unbrake = unbrake(s)
	plan.Brakes = brakesOf(s, cases, sight, policy)
	brakes := map[*world.Pool]Brake{}
	for _, b := range plan.Brakes {
		brakes[b.Pool] = b
	}
	for _, c := range cases {
		if r, ok := repair(s, c, brakes[c.Patient.Pool], sight, policy); ok {
			plan.Repairs = append(plan.Repairs, r)
		}
	}
	leaveInVain(plan.Repairs)
	awaitSpread(s, cases, plan.Repairs)
	allot(s, plan.Repairs, policy)
	for _, b := range plan.Brakes {
		plan.Records = append(plan.Records, recordOf(s, b, plan.Repairs))
	}
	return plan
}

// repair decides on one node; false when there is nothing to say.
func repair(s *world.Snapshot, c Case, brake Brake, sight Sight, policy Policy) (Repair, bool) {
	pool, n := c.Patient.Pool, c.Patient.Node
	if pool == nil || n.Object == nil {
		return Repair{}, false
	}
	r := Repair{Pool: pool, Node: n, Now: s.Now}
	spec := pool.RepairSpec()
	own := ownRequest(n) && n.Mark == nil && n.MarkErr == nil
	switch {
	case own && (spec == nil || spec.Mode != v1alpha1.RepairOn):
		return r.undo(ActWithdraw, ReasonRepairOff, "repair of the pool is not on any more"), true
	case own && c.Verdict.Status == corev1.ConditionFalse:
		return r.undo(ActWithdraw, ReasonHealed, "the node is well again"), true
	case own && brake.Closed:
		return r.undo(ActWithdraw, ReasonBraked, brake.Message), true
	case spec != nil && requestGone(n) != nil && requestGone(n).Answer == "":
		return r.undo(ActNote, ReasonTakenOff, "somebody has taken it off before anything was done, and it is no attempt"), true
	case spec != nil && requestGone(n) != nil:
		return r.undo(ActNote, ReasonEnded, "the action has ended; what became of the node is watched"), true
	case outlived(n, s.Now):
		return r.undo(ActForget, ReasonForgotten, "its last repair was more than 24 hours ago"), true
	case spec == nil || !c.fails():
		return Repair{}, false
	}
	r.Since = condemnedAt(c)
	l := limitsOf(pool)
	v := refuse(s, c, brake, l, sight, policy)
	r.Check, r.Action, r.Reason, r.Message = v.check, v.action, v.reason, v.message
	switch {
	case r.Reason != "":
		r.Action = ""
	case l.on:
		r.Act = ActRequest
	default:
		r.Act = ActReport
	}
	return r, true
}

func (r Repair) undo(act Act, reason RepairReason, message string) Repair {
	r.Act, r.Reason, r.Message = act, reason, message
	return r
}

// refused turns a request that was to be made into none.
func (r *Repair) refused(reason RepairReason, message string) {
	r.Act, r.Action, r.Reason, r.Message = ActNone, "", reason, message
}

// ownRequest is whether the Node carries a request of the doctor's.
func ownRequest(n *world.Node) bool {
	_, asked, _ := kube.ParseRepairRequest(n.Object.Annotations[v1alpha1.AnnotationCycle])
	return asked
}

// requestGone is the attempt whose request has gone since the last look, nil if there is
// none: neither it nor the mark of a disruption is on the Node any more. The executor
// leaves its answer in the same write; whoever else takes a request off does not.
func requestGone(n *world.Node) *kube.RepairAttempt {
	if ownRequest(n) || n.Mark != nil || n.MarkErr != nil {
		return nil
	}
	record, err := kube.RepairRecordOf(n.Object)
	if err != nil {
		return nil
	}
	return record.Open()
}

// outlived is whether nothing of the node's record counts any more, nor ever will:
// a node that lives for years would carry it for as long.
func outlived(n *world.Node, now time.Time) bool {
	record, err := kube.RepairRecordOf(n.Object)
	return err == nil && len(record) > 0 && len(record.Since(now.Add(-attemptWindow))) == 0
}

// leaveInVain refuses what was tried in vain on another node of the pool for the
// same check: then the cause is elsewhere, or the check is wrong.
func leaveInVain(repairs []Repair) {
	type fault struct {
		pool  *world.Pool
		check string
	}
	vain := map[fault]string{}
	for _, r := range repairs {
		if r.Reason.asksHuman() && r.Reason != ReasonAborted { // of what was aborted nobody knows whether it helps
			vain[fault{r.Pool, r.Check}] = r.Node.Name()
		}
	}
	for i := range repairs {
		r := &repairs[i]
		if node, ok := vain[fault{r.Pool, r.Check}]; ok && r.Action != "" && node != r.Node.Name() {
			r.refused(ReasonInVain, fmt.Sprintf("%s fails on %s too, where repair did not help or is not proven: a person must look", r.Check, node))
		}
	}
}

// awaitSpread puts a destructive action off while another node of the cluster has
// only just begun to fail the same check: too few for the brake, and enough to
// wait whether there will be more. Nothing is lost but time.
func awaitSpread(s *world.Snapshot, cases []Case, repairs []Repair) {
	for i := range repairs {
		r := &repairs[i]
		if r.Action == "" || !r.Action.Destructive() {
			continue
		}
		for _, c := range cases {
			n := c.Patient.Node
			if n == r.Node || n.Mark != nil || !c.fails() {
				continue
			}
			for _, f := range c.failures() {
				if until := onset(c, f).Add(limitsOf(r.Pool).hold); f.Check == r.Check && s.Now.Before(until) {
					r.refused(ReasonSpreading, fmt.Sprintf("%s began to fail on %s too at %s: whether it spreads is awaited until %s", r.Check, n.Name(), clock(onset(c, f)), clock(until)))
				}
			}
		}
	}
}

// allot gives what may be done at once to those who are broken longest: a number
// for each pool, one for the cluster, and in each the repairs under way count.
func allot(s *world.Snapshot, repairs []Repair, policy Policy) {
	inPool, inCluster := underway(s)
	order := make([]*Repair, 0, len(repairs))
	for i := range repairs {
		if repairs[i].Action != "" {
			order = append(order, &repairs[i])
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return order[i].Since.Before(order[j].Since) })
	for _, r := range order {
		limit := limitsOf(r.Pool).parallel
		others, daily := othersRepaired(s, r), dailyLimit(len(r.Pool.Nodes))
		switch {
		case others >= daily:
			r.refused(ReasonPoolLimit, fmt.Sprintf("%d other nodes of the pool were repaired within 24 hours; at most %d = 10%% of its nodes, at least 3: a person must look", others, daily))
		case inPool[r.Pool] >= limit:
			r.refused(ReasonParallel, fmt.Sprintf("%d nodes of the pool are in repair; at most %d", inPool[r.Pool], limit))
		case inCluster >= policy.ClusterParallel:
			r.refused(ReasonParallel, fmt.Sprintf("%d nodes of the cluster are in repair; at most %d", inCluster, policy.ClusterParallel))
		default:
			inPool[r.Pool]++
			inCluster++
		}
	}
}

// othersRepaired is how many other nodes of the pool were repaired in a day.
func othersRepaired(s *world.Snapshot, r *Repair) int {
	others := map[string]bool{}
	for _, x := range repairsOf(s, r.Pool) {
		if x.Node != r.Node.Name() {
			others[x.Node] = true
		}
	}
	return len(others)
}

// underway counts repairs that were asked for and have not ended; one that a person
// has aborted has, though its request stands. A node that was replaced counts until
// its successor has had the time to join: only then is it known whether replacing
// helps.
func underway(s *world.Snapshot) (byPool map[*world.Pool]int, all int) {
	byPool = map[*world.Pool]int{}
	for _, pool := range s.Pools {
		for _, n := range pool.Nodes {
			if n.Object != nil && (ownRequest(n) && !pool.Aborted(n) || n.Mark != nil && n.Mark.Cause == kube.CauseRepair) {
				byPool[pool]++
			}
		}
		if byPool[pool] == 0 && awaitsSuccessor(s, pool) {
			byPool[pool]++
		}
		all += byPool[pool]
	}
	return byPool, all
}

// awaitsSuccessor is whether the pool's last replacement is recent and machines
// are on their way.
func awaitsSuccessor(s *world.Snapshot, pool *world.Pool) bool {
	if pool.RepairSpec() == nil {
		return false
	}
	recent := repairsOf(s, pool)
	if len(recent) == 0 {
		return false
	}
	last := recent[len(recent)-1]
	counts, _ := pool.Counts()
	return last.Action == v1alpha1.ActionReplace && s.Now.Sub(last.At.Time) < limitsOf(pool).young && counts.Coming+counts.Disrupted > 0
}
