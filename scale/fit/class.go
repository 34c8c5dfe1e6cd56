package fit

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/scheduler/util"

	"github.com/tidemill/tidemill/internal/world"
)

// Class is pods that the scheduler cannot tell apart: what it says of one it says
// of all. Who owns them does not matter.
type Class struct {
	pod   *corev1.Pod // one of them
	stale bool

	sel       *selection
	asks, use []need
	ports     []corev1.ContainerPort
	stored    bool // its volumes are the real plugins' to judge
	devised   bool // it is given devices where it is put
	shared    bool // others may use the same

	// What it wants of other pods, made when it is first asked for.
	ruled     bool
	rejected  *Reason
	spread    []spread
	affinity  []*tally
	alone     bool // it may be the first of those it wants to be with
	anti      []*tally
	hostwards *spread // over hostnames, nil if there is none

	counted []*tally // that its pods are counted in
	barred  []*tally // of other pods' anti-affinity, wherever they have its pods in mind
}

// Stale is whether the class was made before a label came to matter that its pods
// may differ in: ask [Cluster.Class] again.
func (cl *Class) Stale() bool { return cl.stale }

// Plain is whether where pods of the class may be depends on room alone, and not
// on which pods are where.
func (cl *Class) Plain() bool {
	return !cl.stored && !cl.devised && len(cl.ports) == 0 && len(cl.spread) == 0 && len(cl.affinity) == 0 && len(cl.anti) == 0 && len(cl.barred) == 0
}

// classBook finds classes by their spelling.
type classBook struct {
	byText  map[string]*Class
	byLabel map[label][]*Class
	all     []*Class
	// selects are the labels of pods that any pod selects by, sorted in order.
	selects map[string]bool
	order   []string
	buf     text
}

type label struct{ key, value string }

func newClassBook() classBook {
	return classBook{byText: map[string]*Class{}, byLabel: map[label][]*Class{}, selects: map[string]bool{}}
}

// survey finds the labels that the snapshot's pods select by. Others do not tell
// classes apart: each pod of a StatefulSet has one with its own name.
func (b *classBook) survey(s *world.Snapshot, m *Memo) {
	found := func(key string) { b.selects[key] = true }
	see := func(pods []*corev1.Pod) {
		for _, pod := range pods {
			selectsBy(pod, found)
		}
	}
	see(s.Pending)
	for _, ds := range s.DaemonSets {
		selectsBy(&corev1.Pod{Spec: ds.Spec.Template.Spec}, found)
	}
	if m != nil {
		see = func(pods []*corev1.Pod) {
			for _, key := range m.of(pods).selects {
				b.selects[key] = true
			}
		}
	}
	eachList(s, see)
	b.order = slices.Sorted(maps.Keys(b.selects))
}

// selectsBy names the labels by which a pod chooses its company.
func selectsBy(pod *corev1.Pod, found func(key string)) {
	a := pod.Spec.Affinity
	if a == nil && len(pod.Spec.TopologySpreadConstraints) == 0 {
		return
	}
	by := func(s *metav1.LabelSelector) {
		if s == nil {
			return
		}
		for k := range s.MatchLabels {
			found(k)
		}
		for i := range s.MatchExpressions {
			found(s.MatchExpressions[i].Key)
		}
	}
	if a != nil && a.PodAffinity != nil {
		for i := range a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			by(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[i].LabelSelector)
		}
	}
	if a != nil && a.PodAntiAffinity != nil {
		for i := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			by(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[i].LabelSelector)
		}
	}
	for i := range pod.Spec.TopologySpreadConstraints {
		by(pod.Spec.TopologySpreadConstraints[i].LabelSelector)
		for _, k := range pod.Spec.TopologySpreadConstraints[i].MatchLabelKeys {
			found(k)
		}
	}
}

// Class is the class of a pod.
func (c *Cluster) Class(pod *corev1.Pod) *Class { return c.class(pod, pod.Spec.NodeName) }

// classOn is the class of a pod that is, or is to be, on the node. One that is
// bound to it is there whatever it asks for: that it is bound tells it apart from
// none of its kind, or each node would have classes of its own.
func (c *Cluster) classOn(n *node, pod *corev1.Pod) *Class {
	if pod.Spec.NodeName == n.name {
		return c.class(pod, "")
	}
	return c.Class(pod)
}

// class is the class of the pod if it were bound to that node, "" for none.
func (c *Cluster) class(pod *corev1.Pod, bound string) *Class {
	b := &c.book
	b.buf = c.spell(b.buf[:0], pod, bound)
	if cl := b.byText[string(b.buf)]; cl != nil {
		return cl
	}
	fresh := false
	selectsBy(pod, func(key string) {
		fresh = fresh || !b.selects[key]
		b.selects[key] = true
	})
	if fresh {
		b.order = slices.Sorted(maps.Keys(b.selects))
		c.reclassify()
		b.buf = c.spell(b.buf[:0], pod, bound)
	}
	key := string(b.buf)
	if bound != pod.Spec.NodeName {
		copied := *pod
		copied.Spec.NodeName = bound
		pod = &copied
	}
	return c.newClass(key, pod)
}

func (c *Cluster) spell(t text, pod *corev1.Pod, bound string) text {
	t.str(pod.Namespace)
	t.flag(pod.DeletionTimestamp != nil)
	t.chosen(pod.Labels, c.book.order)
	t.selection(pod, bound)
	t.company(pod)
	t.containers(pod.Spec.InitContainers)
	t.containers(pod.Spec.Containers)
	t.list(pod.Spec.Overhead)
	if r := pod.Spec.Resources; r != nil {
		t.list(r.Requests)
	}
	t.resized(pod)
	c.spellDevices(&t, pod, bound)
	if stored(pod) {
		t.str(pod.Name) // of which an ephemeral volume's claim is made
		for i := range pod.Spec.Volumes {
			t.message(&pod.Spec.Volumes[i])
		}
	}
	return t
}

// stored is whether any volume of the pod is one that the scheduler cares about.
// What is not known to be harmless is asked for.
func stored(pod *corev1.Pod) bool {
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i].VolumeSource
		if v.EmptyDir == nil && v.ConfigMap == nil && v.Secret == nil && v.Projected == nil && v.DownwardAPI == nil && v.HostPath == nil && v.Image == nil {
			return true
		}
	}
	return false
}

func (c *Cluster) newClass(key string, pod *corev1.Pod) *Class {
	b := &c.book
	cl := &Class{
		pod: pod, sel: c.selection(pod), asks: c.asks(pod), use: c.takes(pod), stored: stored(pod), ports: util.GetHostPorts(pod),
	}
	cl.devised, cl.shared = c.devised(pod, cl.asks), shared(pod)
	b.byText[key] = cl
	b.all = append(b.all, cl)
	for _, k := range b.order {
		if v, ok := pod.Labels[k]; ok {
			l := label{k, v}
			b.byLabel[l] = append(b.byLabel[l], cl)
		}
	}
	c.meet(cl)
	return cl
}

// reclassify starts the books anew after a label came to matter.
func (c *Cluster) reclassify() {
	for _, cl := range c.book.all {
		cl.stale = true
	}
	c.memo = nil // its spellings are those of before
	c.book.byText, c.book.byLabel, c.book.all = map[string]*Class{}, map[label][]*Class{}, nil
	c.rules = newRuleBook()
	for _, n := range c.nodes {
		n.refresh(c)
	}
	for _, n := range c.nodes {
		for _, p := range n.pods {
			for _, t := range p.class.counted {
				t.add(n, 1)
			}
		}
	}
	c.loosened++
}

// refresh gives the node's pods the classes of today.
func (n *node) refresh(c *Cluster) {
	for i := range n.pods {
		if n.pods[i].class.stale {
			n.pods[i].class = c.classOn(n, n.pods[i].pod)
		}
	}
}
