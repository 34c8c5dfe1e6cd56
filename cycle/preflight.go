package cycle

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/world"
)

// Verdict is what a check of a pre-flight has come to.
type Verdict string

const (
	// Fine: nothing stands in the way.
	Fine Verdict = "Fine"
	// Mind: it may take longer, or nobody could look.
	Mind Verdict = "Mind"
	// Never: the run could not end unless somebody acts.
	Never Verdict = "Never"
)

// Check is one question of a pre-flight and its answer.
type Check struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Message string  `json:"message"`
}

// Stuck is a pod of a node to be replaced that would not leave now.
type Stuck struct {
	Node string `json:"node"`
	drain.Block
	// Permanent: it would not leave later either, unless somebody acts.
	Permanent bool `json:"permanent"`
}

// Preflight is what would come of a turn-over of a pool.
type Preflight struct {
	Pool     string                 `json:"pool"`
	Request  string                 `json:"request"`
	Strategy v1alpha1.CycleStrategy `json:"strategy"`
	Release  cloudprovider.Release  `json:"release"`
	// Nodes are those that would be replaced.
	Nodes []string `json:"nodes"`
	// Verdict is the worst of the checks.
	Verdict  Verdict  `json:"verdict"`
	Checks   []Check  `json:"checks"`
	Stuck    []Stuck  `json:"stuck,omitempty"`
	Estimate Estimate `json:"estimate"`
}

// Asked is what has to be asked beside a look: of the cloud what the pool can boot
// and what room there is, of the API server what it would say to evictions.
type Asked struct {
	Offer       Offer
	Capacity    []cloudprovider.Capacity
	CapacityErr error
	// Limits and Subnets are what quota and addresses are left; nothing is said of
	// what nobody has asked about.
	Limits     []Limit
	LimitsErr  error
	Subnets    []Subnet
	SubnetsErr error
	// Evictions are answers to dry runs, one for each workload ([Workload]).
	Evictions map[string]drain.Answer
}

// Prefly says what would come of replacing the pool's nodes now, with another
// Kubernetes version if to is not "". It decides as the daemon would on a pool with
// that request, and is pure.
func Prefly(s *world.Snapshot, p *world.Pool, to string, a Asked) Preflight {
	f := &preflight{s: s, pool: p, asked: a, out: Preflight{Pool: p.Name, Release: p.Cloud.Release, Verdict: Fine}}
	f.request(to)
	f.replaced(to)
	f.budget()
	f.room()
	f.headroom()
	f.bindings()
	f.pods()
	f.out.Estimate = f.estimate()
	for _, c := range f.out.Checks {
		if c.Verdict == Never || f.out.Verdict == Fine {
			f.out.Verdict = c.Verdict
		}
	}
	return f.out
}

// WithRequest is the pool as it would be with the request, for the shell to ask
// what it needs.
func WithRequest(p *world.Pool, to string) *world.Pool {
	c := *p
	if p.Object == nil {
		return &c
	}
	c.Object = p.Object.DeepCopy()
	c.Object.Status.Cycle, c.Object.Status.LastCycle = nil, nil // else what was answered once is not looked at
	annotations := map[string]string{v1alpha1.AnnotationCycle: "preflight"}
	if to != "" {
		annotations = map[string]string{v1alpha1.AnnotationUpgradeTo: to}
	}
	c.Object.Annotations = annotations
	return &c
}

// preflight is the making of one.
type preflight struct {
	s     *world.Snapshot
	pool  *world.Pool
	asked Asked
	old   []*world.Node
	out   Preflight
}

func (f *preflight) check(name string, v Verdict, format string, args ...any) {
	f.out.Checks = append(f.out.Checks, Check{name, v, fmt.Sprintf(format, args...)})
}

// request asks the decision itself whether it would take it.
func (f *preflight) request(to string) {
	f.out.Request = v1alpha1.AnnotationCycle
	if to != "" {
		f.out.Request = v1alpha1.AnnotationUpgradeTo + "=" + to
	}
	if f.pool.Object == nil {
		f.check("request", Never, "the node pool has no Pool object")
		return
	}
	asked := WithRequest(f.pool, to)
	s := *f.s
	s.Pools = []*world.Pool{asked}
	plan := Decide(&s, Policy{Offers: map[cloudprovider.PoolID]Offer{asked.Cloud.ID: f.asked.Offer}})
	r := plan.Pools[0]
	for _, step := range plan.Steps {
		if step.Kind == SetRelease {
			f.out.Release = *step.Release
		}
	}
	switch {
	case r.Refused != nil:
		f.check("request", Never, "it would be refused: %s: %s", r.Refused.Reason, r.Refused.Message)
	case asked.CycleSpec() == nil:
		f.check("request", Never, "it would be refused: %s: spec.cycle.mode is Off", CyclingOff)
	case f.pool.Paused():
		f.check("request", Mind, "annotation %s is set: nothing begins before it is gone", v1alpha1.AnnotationPause)
	case f.pool.Run() != nil:
		f.check("request", Mind, "a run for %s is under way, and would be superseded", f.pool.Run().Request)
	case r.Wait != nil:
		f.check("request", Mind, "it would wait: %s: %s", r.Wait.Reason, r.Wait.Message)
	case to != "":
		f.check("request", Fine, "%s is offered for this pool, and the control plane %s allows it", f.out.Release, f.s.ControlPlane)
	default:
		f.check("request", Fine, "it would be taken")
	}
}

// replaced are the nodes that the run would replace.
func (f *preflight) replaced(to string) {
	for _, n := range f.pool.Nodes {
		if goingAway(n) || n.Instance.State == cloudprovider.Failed {
			continue
		}
		if to != "" && len(releaseDrift(n, f.out.Release)) == 0 {
			continue
		}
		f.old = append(f.old, n)
		f.out.Nodes = append(f.out.Nodes, n.Name())
	}
}

// budget is whether anything may be taken at all.
func (f *preflight) budget() {
	d := newDecision(f.s, f.pool, Policy{}.withDefaults())
	f.out.Strategy = strategyOf(f.pool.CycleSpec(), nil)
	b, err := BudgetOf(f.pool.CycleSpec(), max(f.pool.Desired(), 1), len(f.pool.Cloud.Zones()))
	if err != nil {
		f.check("budget", Never, "%s: %s", BudgetZero, err)
		return
	}
	b = d.full(nil)
	f.check("budget", Fine, "strategy %s, %d more nodes and %d fewer than %d at most, %d emptied at once", f.out.Strategy, b.Surge, b.Unavailable, b.Desired, d.maxParallel())
	all, _ := f.pool.Counts()
	if all.Available < b.Floor() {
		f.check("nodes", Mind, "%d of %d nodes are available, and %d must be: nothing is taken before that", all.Available, b.Desired, b.Floor())
	}
}

// room is whether new machines are to be had, as far as the cloud tells.
func (f *preflight) room() {
	for _, n := range f.pool.Nodes {
		if n.Instance != nil && n.Instance.State == cloudprovider.Failed && n.Instance.Fault != nil {
			f.check("machines", Mind, "the cloud failed to make one: %s: %s", n.Instance.Fault.Class, n.Instance.Fault.Message)
			break
		}
	}
	if f.out.Strategy == v1alpha1.StrategyInPlace || f.out.Strategy == v1alpha1.StrategyBootVolume {
		f.check("capacity", Fine, "no more machines are needed than there are")
		return
	}
	var full []string
	for _, c := range f.asked.Capacity {
		if c.Fault != nil {
			full = append(full, strings.TrimSpace(fmt.Sprintf("%s %s: %s", c.Zone, c.FaultDomain, c.Fault.Class)))
		}
	}
	switch {
	case f.asked.CapacityErr != nil:
		f.check("capacity", Mind, "the cloud does not tell beforehand: %s", f.asked.CapacityErr)
	case len(full) > 0 && len(full) == len(f.asked.Capacity):
		v := Never
		if c := f.pool.CycleSpec(); c != nil && c.Fallback != nil {
			v = Mind
		}
		f.check("capacity", v, "no placement has room for a surge node: %s", strings.Join(full, ", "))
	case len(full) > 0:
		f.check("capacity", Mind, "some placements have no room: %s", strings.Join(full, ", "))
	default:
		f.check("capacity", Fine, "the cloud has room in every placement that it tells of%s", f.untold())
	}
}

// untold is what has not been asked about and shows in the run only.
func (f *preflight) untold() string {
	var out []string
	if len(f.asked.Limits) == 0 && f.asked.LimitsErr == nil {
		out = append(out, "quota")
	}
	if len(f.asked.Subnets) == 0 && f.asked.SubnetsErr == nil {
		out = append(out, "subnet addresses")
	}
	if len(out) == 0 {
		return ""
	}
	return "; " + strings.Join(out, " and ") + " it tells by trying only"
}

// pods is which would not leave, and why.
func (f *preflight) pods() {
	budgets := map[string]bool{}
	for _, n := range f.old {
		if n.Object == nil {
			continue
		}
		t := drain.Target{Node: n.Object, Pods: n.Pods, Terms: terms(f.pool), Around: around(f.s)}
		c := t.Classify(f.s.Now)
		for _, b := range c.Blocked {
			f.out.Stuck = append(f.out.Stuck, Stuck{n.Name(), b, true})
		}
		for _, p := range c.Evictable {
			b, stays := f.stays(p)
			if stays {
				f.out.Stuck = append(f.out.Stuck, Stuck{n.Name(), b, b.Reason.Permanent()})
			}
			if b.PDB != "" && stays {
				budgets[b.PDB] = true
			}
		}
	}
	never := slices.ContainsFunc(f.out.Stuck, func(s Stuck) bool { return s.Permanent })
	switch {
	case never:
		f.check("pods", Never, "%d pods would not leave; what stands until somebody acts is marked", len(f.out.Stuck))
	case len(f.out.Stuck) > 0:
		f.check("pods", Mind, "%d pods would not leave now, and may later", len(f.out.Stuck))
	default:
		f.check("pods", Fine, "each would be allowed to leave now, one at a time")
	}
	if len(budgets) > 0 {
		f.check("budgets of pods", Mind, "%d PodDisruptionBudgets allow nothing now", len(budgets))
	}
}

// stays is whether the pod would stay: by the answer to its workload's dry run, or
// because no other place would take it.
func (f *preflight) stays(p *corev1.Pod) (drain.Block, bool) {
	if a, asked := f.asked.Evictions[Workload(p)]; asked && a.Reason != drain.Evicted && a.Reason != drain.Gone {
		b := a.Block
		b.Pod = p.Namespace + "/" + p.Name
		return b, true
	}
	if host := p.Spec.NodeSelector[corev1.LabelHostname]; host != "" {
		return drain.Block{Pod: p.Namespace + "/" + p.Name, Reason: drain.NodeSelected, Message: "its node selector asks for the host " + host + ", which goes: its successor would wait for ever"}, true
	}
	return drain.Block{}, false
}

// Workload tells pods apart that an eviction may be answered differently for: one
// of each is asked about.
func Workload(p *corev1.Pod) string {
	if owner := metav1.GetControllerOfNoCopy(p); owner != nil {
		return p.Namespace + "/" + string(owner.UID)
	}
	return p.Namespace + "/" + string(types.UID(p.Name))
}

// Samples is one pod of each workload on the pool's nodes, whose eviction should
// be tried: what an annotation keeps is not asked about.
func Samples(s *world.Snapshot, p *world.Pool) []*corev1.Pod {
	var out []*corev1.Pod
	seen := map[string]bool{}
	for _, n := range p.Nodes {
		if n.Object == nil {
			continue
		}
		c := drain.Target{Node: n.Object, Pods: n.Pods, Around: around(s)}.Classify(s.Now)
		for _, pod := range c.Evictable {
			if w := Workload(pod); !seen[w] {
				seen[w] = true
				out = append(out, pod)
			}
		}
	}
	return out
}

// Around is what of a look a dry run needs to put an answer into words.
func Around(s *world.Snapshot) drain.Around { return around(s) }
