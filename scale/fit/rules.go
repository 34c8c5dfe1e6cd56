package fit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	selectors "k8s.io/apimachinery/pkg/selection"
	schedulingcorev1 "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/helper"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// spread is one topology spread constraint of those that filter.
type spread struct {
	tally         *tally
	most, domains int32 // maxSkew and minDomains
	self          int32 // 1 if the pod is one of those it counts
}

// bar is an anti-affinity term from the side of those it keeps away.
type bar struct {
	term  fwk.AffinityTerm
	tally *tally
}

// meet makes a new class known to the tallies there are, and its anti-affinity
// to the classes there are.
func (c *Cluster) meet(cl *Class) {
	b := &c.rules
	look := func(list []*tally) {
		for _, t := range list {
			if t.matches != nil && t.matches(cl.pod) {
				cl.counted = append(cl.counted, t)
			}
		}
	}
	space := c.namespaces[cl.pod.Namespace]
	keep := func(list []*bar) {
		for _, x := range list {
			if x.term.Matches(cl.pod, space) {
				cl.barred = append(cl.barred, x.tally)
			}
		}
	}
	look(b.loose)
	keep(b.barLoose)
	for _, k := range c.book.order {
		if v, ok := cl.pod.Labels[k]; ok {
			look(b.hooked[label{k, v}])
			keep(b.barLabel[label{k, v}])
		}
	}
	pi, _ := framework.NewPodInfo(cl.pod) // a term that does not parse keeps nobody away
	for _, term := range pi.RequiredAntiAffinityTerms {
		c.bar(cl, term)
	}
}

// bar counts the class as one that keeps others away.
func (c *Cluster) bar(cl *Class, term fwk.AffinityTerm) {
	b := &c.rules
	text := spell(term)
	x := b.bars[text]
	if x == nil {
		x = &bar{term: term, tally: &tally{key: c.key(term.TopologyKey)}}
		if term.TopologyKey == corev1.LabelHostname {
			x.tally.sparse = map[int32]int32{}
		}
		b.bars[text] = x
		classes := c.book.all
		if hook := hookOf(term.Selector); hook.key != "" {
			b.barLabel[hook] = append(b.barLabel[hook], x)
			classes = c.book.byLabel[hook]
		} else {
			b.barLoose = append(b.barLoose, x)
		}
		for _, other := range classes {
			if term.Matches(other.pod, c.namespaces[other.pod.Namespace]) {
				other.barred = append(other.barred, x.tally)
			}
		}
	}
	// Two terms of one spelling count twice in the scheduler, and once is enough.
	if !slices.Contains(cl.counted, x.tally) {
		cl.counted = append(cl.counted, x.tally)
	}
}

// spell is a term as text; terms of one text keep the same pods away.
func spell(t fwk.AffinityTerm) string {
	spaces := t.Namespaces.UnsortedList()
	slices.Sort(spaces)
	return fmt.Sprintf("%s\x00%s\x00%T%s\x00%T%s", t.TopologyKey, strings.Join(spaces, ","), t.Selector, t.Selector, t.NamespaceSelector, t.NamespaceSelector)
}

// hookOf is a label that every pod has which the selector matches; none when it
// asks for no single value.
func hookOf(s labels.Selector) label {
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		switch r.Operator() {
		case selectors.In, selectors.Equals, selectors.DoubleEquals:
			if values := r.Values(); values.Len() == 1 {
				return label{r.Key(), values.UnsortedList()[0]}
			}
		}
	}
	return label{}
}

// Prepare counts in one go what the pods of these classes want of other pods,
// which is quicker than one class after the other.
func (c *Cluster) Prepare(classes []*Class) {
	for _, cl := range classes {
		c.rule(cl)
	}
	c.settle()
}

// rule makes the tallies that answer for the class.
func (c *Cluster) rule(cl *Class) {
	if cl.ruled {
		return
	}
	cl.ruled = true
	if cl.sel.rejected != nil {
		cl.rejected = cl.sel.rejected
		return
	}
	if err := c.ruleSpread(cl); err != nil {
		cl.rejected = &Reason{names.PodTopologySpread, "get constraints from pod: obtaining pod's hard topology spread constraints: " + err.Error()}
		return
	}
	pi, err := framework.NewPodInfo(cl.pod)
	if err != nil {
		cl.rejected = &Reason{names.InterPodAffinity, fmt.Sprintf("parsing pod: %+v", err)}
		return
	}
	c.ruleAffinity(cl, pi)
}

func (c *Cluster) ruleSpread(cl *Class) error {
	var hard []*corev1.TopologySpreadConstraint
	var keys []int
	for i := range cl.pod.Spec.TopologySpreadConstraints {
		if x := &cl.pod.Spec.TopologySpreadConstraints[i]; x.WhenUnsatisfiable == corev1.DoNotSchedule {
			hard = append(hard, x)
			keys = append(keys, c.key(x.TopologyKey))
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for _, x := range hard {
		selector, err := selectorOf(x, cl.pod)
		if err != nil {
			return err
		}
		c.addSpread(cl, x, selector, keys)
	}
	for i := range cl.spread {
		if hard[i].TopologyKey == corev1.LabelHostname {
			cl.hostwards = &cl.spread[i]
		}
	}
	return nil
}

func (c *Cluster) addSpread(cl *Class, x *corev1.TopologySpreadConstraint, selector labels.Selector, keys []int) {
	key, space := c.key(x.TopologyKey), cl.pod.Namespace
	who, whoText := c.eligible(cl, x, keys)
	ground := c.groundFor(fmt.Sprintf("%d\x00%s", key, whoText), key, who)
	matches := func(p *corev1.Pod) bool {
		return p.DeletionTimestamp == nil && p.Namespace == space && !selector.Empty() && selector.Matches(labels.Set(p.Labels))
	}
	s := spread{most: x.MaxSkew, domains: 1}
	s.tally = c.tally(fmt.Sprintf("spread\x00%s\x00%T%s\x00%d\x00%s", space, selector, selector, key, whoText), key, ground, hookOf(selector), matches)
	if x.MinDomains != nil {
		s.domains = *x.MinDomains
	}
	if selector.Matches(labels.Set(cl.pod.Labels)) {
		s.self = 1
	}
	cl.spread = append(cl.spread, s)
}

// selectorOf is the constraint's selector with the pod's own values of
// matchLabelKeys.
func selectorOf(x *corev1.TopologySpreadConstraint, pod *corev1.Pod) (labels.Selector, error) {
	selector, err := metav1.LabelSelectorAsSelector(x.LabelSelector)
	if err != nil {
		return nil, err
	}
	own := labels.Set{}
	for _, k := range x.MatchLabelKeys {
		if v, ok := pod.Labels[k]; ok {
			own[k] = v
		}
	}
	requirements, selectable := selector.Requirements()
	if len(own) == 0 || !selectable {
		return selector, nil
	}
	return labels.SelectorFromSet(own).Add(requirements...), nil
}

// eligible is which nodes count for the constraint.
func (c *Cluster) eligible(cl *Class, x *corev1.TopologySpreadConstraint, keys []int) (*eligibility, string) {
	affine := x.NodeAffinityPolicy == nil || *x.NodeAffinityPolicy == corev1.NodeInclusionPolicyHonor
	tainted := x.NodeTaintsPolicy != nil && *x.NodeTaintsPolicy == corev1.NodeInclusionPolicyHonor
	affine = affine && !cl.sel.skip // without a wish every node is wished for
	var t text
	for _, k := range keys {
		t.int(int64(k))
	}
	t.flag(affine)
	t.flag(tainted)
	if affine || tainted {
		t.str(cl.sel.text)
	}
	if e := c.rules.eligible[string(t)]; e != nil {
		return e, string(t)
	}
	e := &eligibility{keys: keys, picky: cl.sel.picky}
	if affine || tainted {
		e.judge = c.judge(cl.sel.pod, affine, tainted)
	}
	c.rules.eligible[string(t)] = e
	return e, string(t)
}

func (c *Cluster) judge(pod *corev1.Pod, affine, tainted bool) func(*node) bool {
	required := nodeaffinity.GetRequiredNodeAffinity(pod)
	return func(n *node) bool {
		if affine {
			if ok, _ := required.Match(n.asObject()); !ok {
				return false
			}
		}
		if tainted {
			_, untolerated := schedulingcorev1.FindMatchingUntoleratedTaint(klog.Background(), n.spec().Taints, pod.Spec.Tolerations,
				helper.DoNotScheduleTaintsFilterFunc(), c.asked.comparison)
			return !untolerated
		}
		return true
	}
}

func (c *Cluster) ruleAffinity(cl *Class, pi *framework.PodInfo) {
	together := c.merged(pi.RequiredAffinityTerms)
	all := func(p *corev1.Pod) bool {
		for i := range together {
			if !together[i].Matches(p, nil) {
				return false
			}
		}
		return true
	}
	var text strings.Builder
	for _, t := range together {
		text.WriteString(spell(t) + "\x01")
	}
	for _, t := range together {
		key := c.key(t.TopologyKey)
		cl.affinity = append(cl.affinity, c.tally(fmt.Sprintf("with\x00%d\x00%s", key, text.String()), key, nil, hookOf(t.Selector), all))
	}
	cl.alone = len(together) > 0 && all(cl.pod)
	for _, t := range c.merged(pi.RequiredAntiAffinityTerms) {
		matches := func(p *corev1.Pod) bool { return t.Matches(p, nil) }
		cl.anti = append(cl.anti, c.tally("apart\x00"+spell(t), c.key(t.TopologyKey), nil, hookOf(t.Selector), matches))
	}
}

// merged are a pod's own terms as the scheduler asks by them: with the names of
// the namespaces that are selected.
func (c *Cluster) merged(terms []fwk.AffinityTerm) []fwk.AffinityTerm {
	out := slices.Clone(terms)
	for i := range out {
		if out[i].NamespaceSelector.Empty() {
			continue
		}
		out[i].Namespaces = out[i].Namespaces.Clone()
		for name, set := range c.namespaces {
			if out[i].NamespaceSelector.Matches(set) {
				out[i].Namespaces.Insert(name)
			}
		}
	}
	return out
}
