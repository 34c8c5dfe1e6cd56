package world

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// What a new node of a pool will look like is an estimate: the cloud sells 32 GB
// and the kernel and hypervisor keep one of them, a cloud-init script sets labels
// that no API shows. What registered nodes look like is a fact. So each look
// learns, and the next node's template is corrected:
//
//	cloud's estimate ──────────────┐
//	registered nodes ─► Learn ─► lessons ─► Taught ─► the template that verbs see
//	Pool.status.learned ──► │  ◄──── the mirror keeps them over restarts and size 0
//
// Which nodes teach. A lesson is of one make: shape, release, and what the cloud
// promises (CPU, memory, pods, disk). A Ready node of that shape and release is
// of that make if it is younger than the make's first sight, or if it resembles
// the promise (the same CPU, memory within a fifth): after a pool was edited its
// old nodes teach nothing about new ones.
//
// What they teach. Resources: the least of all teachers, whatever their age, as
// nobody edits a kubelet's report by hand. Labels and taints: people edit those, so
// only what all young nodes have in common counts (two minutes old, when daemons
// have set theirs, to an hour old, before people do), and only if there are two of
// them or it was known before; never what says where a node is, how it is at the
// moment, or who it is. A label that one node lacks is no promise of the next.
const (
	youngFrom, youngTo = 2 * time.Minute, time.Hour
	// sure is how many young nodes make a label or taint more than a whim.
	sure = 2
	// The record's bounds; see v1alpha1.LearnedTemplate.
	maxLessons, maxResources, maxLabels, maxTaints = 3, 32, 48, 16
)

// Learn gives the lessons of a pool after a look at its nodes, the current make's
// first. known are those of before; they are not changed. p must be as the cloud
// describes it, not taught.
func Learn(p cloudprovider.NodePool, nodes []*Node, known []v1alpha1.LearnedTemplate, now time.Time) []v1alpha1.LearnedTemplate {
	if len(p.Placements) == 0 || len(p.Placements[0].Template.Status.Capacity) == 0 {
		return known
	}
	lesson := makeOf(p)
	lesson.Since = metav1.NewTime(now.Truncate(time.Second)) // as the API server keeps it
	out := []v1alpha1.LearnedTemplate{}
	for _, k := range known {
		if sameMake(k, lesson) {
			lesson = *k.DeepCopy()
		} else if len(out) < maxLessons-1 {
			out = append(out, k)
		}
	}
	var teachers, young []*corev1.Node
	for _, n := range nodes {
		if !teaches(n, lesson) {
			continue
		}
		teachers = append(teachers, n.Object)
		if age := now.Sub(n.Object.CreationTimestamp.Time); age >= youngFrom && age <= youngTo && n.Mark == nil && !n.Object.Spec.Unschedulable {
			young = append(young, n.Object)
		}
	}
	if len(teachers) > 0 {
		lesson.Nodes = int32(len(teachers))
		lesson.Capacity = least(teachers, func(n *corev1.Node) corev1.ResourceList { return n.Status.Capacity })
		lesson.Allocatable = least(teachers, func(n *corev1.Node) corev1.ResourceList { return n.Status.Allocatable })
	}
	if len(young) > 0 {
		lesson.Labels = commonLabels(young, lesson.Labels, p.Placements)
		lesson.Taints = commonTaints(young, lesson.Taints, p.Placements)
	}
	return append([]v1alpha1.LearnedTemplate{lesson}, out...)
}

// makeOf is what the pool makes at present.
func makeOf(p cloudprovider.NodePool) v1alpha1.LearnedTemplate {
	promised := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods, corev1.ResourceEphemeralStorage} {
		if q, ok := p.Placements[0].Template.Status.Capacity[name]; ok {
			promised[name] = q
		}
	}
	return v1alpha1.LearnedTemplate{Shape: p.Shape, Kubernetes: p.Release.Kubernetes, Image: p.Release.Image, Promised: promised}
}

func sameMake(a, b v1alpha1.LearnedTemplate) bool {
	return a.Kubernetes == b.Kubernetes && a.Image == b.Image && sameMachine(a, b)
}

// sameMachine is whether two makes differ in what they boot at most.
func sameMachine(a, b v1alpha1.LearnedTemplate) bool {
	return a.Shape == b.Shape && maps.EqualFunc(a.Promised, b.Promised, func(x, y resource.Quantity) bool { return x.Cmp(y) == 0 })
}

// teaches is whether the node is of the lesson's make.
func teaches(n *Node, lesson v1alpha1.LearnedTemplate) bool {
	if n.Object == nil || n.Instance == nil || n.Instance.State != cloudprovider.Running || !n.Ready() || len(n.Object.Status.Allocatable) == 0 {
		return false
	}
	differ := func(have, want string) bool { return have != "" && want != "" && have != want }
	if differ(n.Object.Labels[corev1.LabelInstanceTypeStable], lesson.Shape) || differ(n.Instance.Release.Image, lesson.Image) || differ(n.Kubernetes(), lesson.Kubernetes) {
		return false
	}
	return n.Object.CreationTimestamp.After(lesson.Since.Time) || resembles(n.Object.Status.Capacity, lesson.Promised)
}

// resembles is whether capacity may be what was promised: an OCPU more or less
// is another machine, a few hundred megabytes are the kernel's.
func resembles(capacity, promised corev1.ResourceList) bool {
	if capacity.Cpu().Cmp(*promised.Cpu()) != 0 {
		return false
	}
	have, want := capacity.Memory().AsApproximateFloat64(), promised.Memory().AsApproximateFloat64()
	return have >= want*0.8 && have <= want*1.2
}

// least is the smallest quantity of each resource that any node reports. None of
// it is no report: a device plugin that has not started yet is not a missing GPU.
func least(nodes []*corev1.Node, of func(*corev1.Node) corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for _, n := range nodes {
		for name, q := range of(n) {
			have, ok := out[name]
			if q.Sign() > 0 && (ok && q.Cmp(have) < 0 || !ok && len(out) < maxResources) {
				out[name] = q.DeepCopy()
			}
		}
	}
	return out
}

// commonLabels are what all young nodes have and the estimate has not.
func commonLabels(young []*corev1.Node, before map[string]string, places []cloudprovider.Placement) map[string]string {
	out := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(young[0].Labels)) {
		value := young[0].Labels[key]
		old, known := before[key]
		if lastingLabel(key) && len(out) < maxLabels && (len(young) >= sure || known && old == value) &&
			!slices.ContainsFunc(young, func(n *corev1.Node) bool { v, ok := n.Labels[key]; return !ok || v != value }) &&
			slices.ContainsFunc(places, func(pl cloudprovider.Placement) bool { v, ok := pl.Template.Labels[key]; return !ok || v != value }) {
			out[key] = value
		}
	}
	return out
}

// commonTaints are what all young nodes have and the estimate has not.
func commonTaints(young []*corev1.Node, before []corev1.Taint, places []cloudprovider.Placement) []corev1.Taint {
	var out []corev1.Taint
	for _, t := range young[0].Spec.Taints {
		t.TimeAdded = nil
		if LastingTaint(t) && len(out) < maxTaints && (len(young) >= sure || has(before, t)) &&
			!slices.ContainsFunc(young, func(n *corev1.Node) bool { return !has(n.Spec.Taints, t) }) &&
			slices.ContainsFunc(places, func(pl cloudprovider.Placement) bool { return !has(pl.Template.Spec.Taints, t) }) {
			out = append(out, t)
		}
	}
	return out
}

func has(list []corev1.Taint, t corev1.Taint) bool {
	return slices.ContainsFunc(list, func(o corev1.Taint) bool { return o.MatchTaint(&t) && o.Value == t.Value })
}
