package fit

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// kind is nodes that no pod can tell apart by what they are: by taints, and by
// those labels that any pod asks a node for.
type kind struct {
	number int
	info   *framework.NodeInfo // of one of them, without pods
}

// selection is what pods want of a node by itself: where the plugins that look
// at nothing else are asked once for each kind.
type selection struct {
	text     string
	pod      *corev1.Pod // one that wants it
	picky    bool        // it goes by names, which kinds do not tell apart
	rejected *Reason     // no node will do
	only     *fwk.PreFilterResult
	state    fwk.CycleState
	skip     bool      // of node affinity
	answers  []*Reason // by kind; fine for yes
}

// fine is the answer of those who have nothing against it.
var fine = &Reason{}

// kindBook finds kinds and selections by their spelling.
type kindBook struct {
	byText map[string]*kind
	// selects are the labels of nodes that any pod selects by, sorted in order.
	selects    map[string]bool
	order      []string
	selections map[string]*selection
	buf        text
}

func newKindBook() kindBook {
	return kindBook{byText: map[string]*kind{}, selects: map[string]bool{}, selections: map[string]*selection{}}
}

// label is the value of one of the node's labels.
func (n *node) label(key string) (string, bool) {
	if n.like != nil {
		if key == corev1.LabelHostname {
			return n.name, true
		}
		v, ok := n.like.node.Labels[key]
		return v, ok
	}
	v, ok := n.object.Labels[key]
	return v, ok
}

// spec is what the node was made with.
func (n *node) spec() *corev1.NodeSpec {
	if n.like != nil {
		return &n.like.node.Spec
	}
	return &n.object.Spec
}

func (c *Cluster) kindOf(n *node) *kind {
	b := &c.kinds
	t := b.buf[:0]
	for _, key := range b.order {
		v, ok := n.label(key)
		t.flag(ok)
		t.str(v)
	}
	spec := n.spec()
	t.flag(spec.Unschedulable)
	for i := range spec.Taints {
		t.str(spec.Taints[i].Key)
		t.str(spec.Taints[i].Value)
		t.str(string(spec.Taints[i].Effect))
	}
	b.buf = t
	if k := b.byText[string(t)]; k != nil {
		return k
	}
	k := &kind{number: len(b.byText), info: framework.NewNodeInfo()}
	k.info.SetNode(n.asObject())
	b.byText[string(t)] = k
	return k
}

// selection is what the pod wants of a node.
func (c *Cluster) selection(pod *corev1.Pod) *selection {
	var t text
	t.selection(pod, pod.Spec.NodeName)
	if s := c.kinds.selections[string(t)]; s != nil {
		return s
	}
	s := &selection{text: string(t), pod: pod, state: framework.NewCycleState(), picky: pod.Spec.NodeName != ""}
	c.tellApart(s)
	result, status := c.asked.affinity.PreFilter(context.Background(), s.state, pod, nil)
	switch {
	case status.IsSkip():
		s.skip = true
	case !status.IsSuccess():
		s.rejected = &Reason{c.asked.affinity.Name(), status.Message()}
	case !result.AllNodes():
		s.only = result
	}
	c.kinds.selections[s.text] = s
	return s
}

// tellApart makes kinds differ in every label that the selection asks for.
func (c *Cluster) tellApart(s *selection) {
	b := &c.kinds
	before := len(b.selects)
	for k := range s.pod.Spec.NodeSelector {
		b.selects[k] = true
	}
	if a := s.pod.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			for _, e := range term.MatchExpressions {
				b.selects[e.Key] = true
			}
			s.picky = s.picky || len(term.MatchFields) > 0
		}
	}
	if len(b.selects) == before {
		return
	}
	b.order = slices.Sorted(maps.Keys(b.selects))
	b.byText = map[string]*kind{}
	for _, n := range c.nodes {
		n.kind = c.kindOf(n)
	}
	for _, other := range b.selections {
		other.answers = nil
	}
	c.rules.forget()
	c.asked.era++
}

// static is what the plugins say that look at nothing but the pod's and the
// node's own words.
func (c *Cluster) static(s *selection, n *node) *Reason {
	if s.picky {
		info := framework.NewNodeInfo()
		info.SetNode(n.asObject())
		return c.askStatic(s, info)
	}
	k := n.kind
	for len(s.answers) <= k.number {
		s.answers = append(s.answers, nil)
	}
	if s.answers[k.number] == nil {
		s.answers[k.number] = c.askStatic(s, k.info)
	}
	return s.answers[k.number]
}

func (c *Cluster) askStatic(s *selection, info *framework.NodeInfo) *Reason {
	if !s.only.AllNodes() && !s.only.NodeNames.Has(info.Node().Name) {
		return &Reason{c.asked.affinity.Name(), notSelected}
	}
	for _, p := range c.asked.static {
		if s.skip && p.Name() == c.asked.affinity.Name() {
			continue
		}
		if status := p.Filter(context.Background(), s.state, s.pod, info); !status.IsSuccess() {
			return &Reason{p.Name(), status.Message()}
		}
	}
	return fine
}

const notSelected = "node(s) didn't match Pod's node affinity/selector"
