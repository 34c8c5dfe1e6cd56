package worldtest

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Scale switches scaling on between two sizes.
func Scale(min, max int32) func(*v1alpha1.Pool) {
	return func(p *v1alpha1.Pool) { p.Spec.Scale = &v1alpha1.ScaleSpec{MinSize: min, MaxSize: max} }
}

// On binds the pod to a node, running.
func On(node string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = node, corev1.PodRunning }
}

// OwnedBy gives the pod a controller, such as "ReplicaSet", "web".
func OwnedBy(kind, name string) func(*corev1.Pod) {
	yes := true
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: &yes,
		}}
	}
}

// Labels sets labels of any object.
func Labels[T interface{ SetLabels(map[string]string) }](pairs ...string) func(T) {
	return func(o T) { o.SetLabels(pairMap(pairs)) }
}

// Annotations sets annotations of any object.
func Annotations[T interface{ SetAnnotations(map[string]string) }](pairs ...string) func(T) {
	return func(o T) { o.SetAnnotations(pairMap(pairs)) }
}

func pairMap(pairs []string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// Requests adds an extended resource, such as "nvidia.com/gpu", to the pod.
func Requests(name, quantity string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		q := resource.MustParse(quantity)
		r := &p.Spec.Containers[0].Resources
		r.Requests[corev1.ResourceName(name)] = q
		r.Limits = corev1.ResourceList{corev1.ResourceName(name): q}
	}
}

// NotReady makes a node one that has never been Ready.
func NotReady(n *corev1.Node) {
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse}}
	n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule})
}

// Gated makes a node one that is Ready and not yet examined by the doctor.
func Gated(n *corev1.Node) {
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
}

// Cordoned makes a node unschedulable, by somebody else.
func Cordoned(n *corev1.Node) { n.Spec.Unschedulable = true }
