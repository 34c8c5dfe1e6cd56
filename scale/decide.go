package scale

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/choose"
	"github.com/tidemill/tidemill/scale/fit"
)

// Decide makes the plan for one look at the world. It is pure: the same
// snapshot and policy give the same plan, in the same order. An error means
// that the scheduler's rules could not be set up and nothing may be done.
//
// A group of pods that is of use only whole is helped wholly or not at all: when
// a plan helps a part of one, the look is decided anew without it.
func Decide(s *world.Snapshot, p Policy) (Plan, error) { return decideKnowing(s, p, nil) }

// decideKnowing is Decide with what is known of the pods.
func decideKnowing(s *world.Snapshot, p Policy, m *Memo) (Plan, error) {
	without := map[string]string{}
	m.begin()
	for again := 0; ; again++ {
		plan, err := decideWithout(s, p, m, without)
		if err != nil {
			return plan, err
		}
		more := incomplete(s, &plan, again+1 >= maxRegroup)
		if len(more) == 0 {
			return plan, nil
		}
		maps.Copy(without, more)
	}
}

// decideWithout is Decide with these groups of pods left out, for what is said
// of each.
func decideWithout(s *world.Snapshot, p Policy, m *Memo, without map[string]string) (Plan, error) {
	d, left, err := remember(s, p, m, without)
	if err != nil {
		return Plan{}, fmt.Errorf("decide on scaling: %w", err)
	}
	d.answerPods(left)
	d.shrink()
	d.conclude()
	return d.plan, nil
}

// growth finds the pods their nodes, and returns those that it does not help. What
// the arithmetic finds cheapest knows nothing of spread and affinity, and the
// scheduler's rules may make it dear: where pods mind each other the pools are
// chosen one by one as well, and the plan that helps more pods counts, or as many
// for less. set sets a decision up before it begins; one in a scenery leaves no
// trace there, and so nothing of the look can follow it.
func growth(s *world.Snapshot, p Policy, m *Memo, without map[string]string, on *scenery, set func(*decision)) (*decision, []*waiting, error) {
	try := func(unmixed bool) (*decision, []*waiting, error) {
		d, err := newDecision(s, p, m, without, on)
		if err != nil {
			return nil, nil, err
		}
		d.unmixed = unmixed
		set(d)
		if on != nil {
			d.sim.Fork()
			defer d.sim.Revert()
		}
		return d, d.helpPods(), nil
	}
	d, left, err := try(false)
	if err != nil || !d.mixed || !d.touchy() {
		return d, left, err
	}
	other, rest, err := try(true)
	if err == nil && other.better(rest, d, left) {
		return other, rest, nil
	}
	return d, left, err
}

// better is whether a decision that leaves these pods is better than another.
func (d *decision) better(left []*waiting, than *decision, rest []*waiting) bool {
	return len(left) < len(rest) || len(left) == len(rest) && d.bill() < than.bill()
}

func newDecision(s *world.Snapshot, p Policy, m *Memo, without map[string]string, on *scenery) (*decision, error) {
	d := &decision{
		memo: m, s: s, p: p.withDefaults(), scenery: on, daemons: daemons(s), without: without,
		grown: map[*pool][]newNode{}, models: map[*corev1.Node]*fit.Model{}, words: map[fit.Reason]string{},
		owner: map[string]*pool{},
	}
	d.plan.Now = s.Now
	var err error
	if on != nil {
		d.sim = on.sim
	} else if d.sim, err = fit.Recall(s, m.ofFit()); err != nil {
		return nil, err
	}
	if d.chain, err = d.p.chain(d.seed()); err != nil {
		return nil, err
	}
	for _, wp := range s.Pools {
		d.pools = append(d.pools, newPool(wp))
	}
	d.purse = newPurse(d)
	return d, nil
}

// helpPods finds each pending pod a node that is there, is coming, is kept, or is
// to be made, and says why where there is none.
func (d *decision) helpPods() []*waiting {
	d.furnish()
	waiting := d.leaveOut(d.sieve(d.came(d.s.Pending)))
	waiting = d.takeUp(d.takeUp(waiting, d.young, HelpExisting), d.coming, HelpJoining)
	waiting = d.place(waiting, d.there, HelpExisting)
	waiting = d.place(waiting, d.coming, HelpJoining)
	waiting = d.hold(waiting)
	d.judgePools()
	waiting = d.keep(waiting)
	d.judgeGrowth(waiting)
	return d.growAll(waiting)
}

// answerPods writes down what each pod is promised, and why the others have
// nothing.
func (d *decision) answerPods(left []*waiting) {
	d.award()
	d.outlive()
	d.answer()
	d.weigh()
	d.explain(left)
}

// decision is one Decide under way.
type decision struct {
	memo *Memo // nil for none
	s    *world.Snapshot
	p    Policy
	plan Plan

	pools   []*pool
	sim     *fit.Cluster
	daemons []*corev1.Pod // one for each DaemonSet, as its pods look
	chain   choose.Chain  // what chooses among pools
	purse   *purse        // what limits leave
	looks   map[look][]*pool
	// questions are pods that only ask, see answer.
	questions []*waiting
	// without are groups of pods that are left out, and why.
	without map[string]string

	// there are real schedulable nodes, coming those on their way; names in sim.
	there, coming []string
	// young are those there that have not been there for long.
	young []string
	// made is when machines on their way were made, and those that are empty yet.
	made []time.Time
	// grown are the new nodes of each pool.
	grown map[*pool][]newNode
	// lacking is what no pool with headroom may grow for, "" when there is nothing.
	lacking string
	// models are what new nodes are made like, by template.
	models map[*corev1.Node]*fit.Model
	// serial numbers the simulated nodes.
	serial  int
	scratch []*corev1.Pod
	one     [1]string
	words   map[fit.Reason]string
	// mixed is whether the arithmetic of package choose chose pools; unmixed keeps
	// it from that.
	mixed, unmixed bool
	// promised are the pods that new nodes are for, owner the pool of each of these.
	promised []*waiting
	owner    map[string]*pool
	// berths are nodes on their way, coming and grown, quay their names in order;
	// bought are those that a rehearsal has made, and what for.
	berths map[string]*berth
	quay   []string
	bought []berth
	// rehearsal is what becomes of nodes on their way, see remember.
	rehearsal rehearsal
	// scenery is what it is played in, nil for a look of its own.
	scenery *scenery
}

// pool is a world.Pool with what this plan makes of it.
type pool struct {
	*world.Pool
	spec *v1alpha1.ScaleSpec
	// failed are entries that will not become machines.
	failed []*world.Node
	// base is the size that bounds count from: what was asked for, without
	// failed entries and without a run's surge.
	base int
	// size is base with the growth of this plan.
	size int
	// standing are the machines that the cloud lists, those that are on their way
	// out or failed left out.
	standing int
	// leaving are this verb's own marked nodes, still counted in base.
	leaving []*world.Node
	// zones counts machines by zone, new ones included.
	zones map[cloudprovider.Zone]int
	// places are the zones that it may have machines in.
	places []cloudprovider.Zone
	// reason is why the pool cannot grow, "" when it can.
	reason  Reason
	message string
	record  *v1alpha1.ScaleStatus
	// purse is the decision's; atMost, if not negative, the size that the pool may
	// have for now, while like pools are balanced.
	purse  *purse
	atMost int
	// absent are the nodes on their way that a rehearsal leaves out, spare those of
	// them that it may ask for in any case.
	absent, spare int
}

func newPool(wp *world.Pool) *pool {
	p := &pool{Pool: wp, spec: wp.ScaleSpec(), zones: map[cloudprovider.Zone]int{}, places: wp.Cloud.Zones(), atMost: -1}
	for _, n := range wp.Nodes {
		switch n.Stage() {
		case world.StageFailed:
			p.failed = append(p.failed, n)
			continue
		case world.StageTerminating:
			continue
		}
		p.zones[n.Zone()]++
		if n.Instance != nil {
			p.standing++
		}
		if n.Mark != nil && n.Mark.Cause == kube.CauseScaleDown && n.Instance != nil {
			p.leaving = append(p.leaving, n)
		}
	}
	p.base = wp.Cloud.Size - len(p.failed)
	if run := wp.Run(); run != nil {
		p.base = int(run.Desired)
	}
	p.base = max(p.base, 0)
	p.size = p.base
	return p
}

// limit is the largest size that scaling may ask for.
func (p *pool) limit() int {
	if p.spec == nil {
		return p.size
	}
	limit := int(p.spec.MaxSize)
	if p.Cloud.Max > 0 {
		limit = min(limit, p.Cloud.Max)
	}
	return limit
}

// room is how many more nodes the pool may get in this plan.
func (p *pool) room() int {
	if p.spec == nil {
		return 0
	}
	spare := max(0, p.spare-(p.size-p.base))
	if p.atMost >= 0 {
		spare = max(0, min(spare, p.atMost-p.size))
	}
	if p.reason != "" || p.purse != nil && p.purse.d.rehearsal.capped {
		return spare
	}
	return max(spare, p.allowed())
}

// allowed is what bounds and limits leave.
func (p *pool) allowed() int {
	most := p.limit()
	if p.atMost >= 0 {
		most = min(most, p.atMost)
	}
	if most <= p.size || p.purse == nil {
		return max(0, most-p.size)
	}
	n, _, _ := p.purse.room(p, most-p.size)
	return n
}

// full is why a pool that could grow has no room: its size, or a limit.
func (p *pool) full() (Reason, string) {
	if p.purse != nil && p.limit() > p.size {
		if n, why, message := p.purse.room(p, 1); n == 0 {
			return why, message
		}
	}
	return PoolAtMax, p.atMax()
}

// help writes a verdict that something helps the pod.
func (d *decision) help(w *waiting, h Help, where string) {
	d.plan.Verdicts = append(d.plan.Verdicts, Verdict{Pod: w.name, Help: h, Where: where, pod: w.pod})
	if h != HelpGrowth { // where is a pool then
		d.board(w, where)
	}
}

// refuse writes a verdict that nothing helps the pod.
func (d *decision) refuse(pod *corev1.Pod, r Reason, message string, pools ...PoolReason) {
	d.plan.Verdicts = append(d.plan.Verdicts, Verdict{
		Pod: podName(pod), Help: HelpNone, Reason: r, Message: message, Pools: pools, pod: pod,
	})
}

// conclude turns growth into actions and puts everything in order.
func (d *decision) conclude() {
	for _, p := range d.pools {
		v := PoolVerdict{Pool: p.Name, Reason: p.reason, Message: p.message, Scale: p.record, pool: p.Pool}
		if p.reason == "" && p.room() == 0 {
			v.Reason, v.Message = p.full()
		}
		if d.lacking != "" && v.Reason != "" && p.spec != nil && p.spec.ZoneLossHeadroom {
			v.Message = strings.TrimPrefix(v.Message+"; "+d.lacking, "; ")
		}
		d.plan.Pools = append(d.plan.Pools, v)
	}
	slices.SortFunc(d.plan.Verdicts, func(a, b Verdict) int { return strings.Compare(a.Pod, b.Pod) })
	sort.SliceStable(d.plan.Grows, func(i, j int) bool { return d.plan.Grows[i].Pool < d.plan.Grows[j].Pool })
	d.plan.sortNodes()
}

func (p *pool) atMax() string {
	return fmt.Sprintf("size %d of at most %d", p.size, p.limit())
}

func podName(p *corev1.Pod) string { return p.Namespace + "/" + p.Name }
