package kube

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Two keys of Kubernetes' own are marks of tidemill's when their value is
// [v1alpha1.Own]. Kubernetes looks at the key alone, so that the value is free to
// say whose it is, and what somebody else has put there is never touched.

// Exclude keeps load balancers from sending n, in memory, any traffic. It does
// nothing to a node that somebody has excluded already, and reports whether n
// changed.
func Exclude(n *corev1.Node) bool {
	if _, excluded := n.Labels[v1alpha1.LabelExcludeBalancers]; excluded {
		return false
	}
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	n.Labels[v1alpha1.LabelExcludeBalancers] = v1alpha1.Own
	return true
}

// include takes back what [Exclude] did.
func include(n *corev1.Node) bool {
	if !Excluded(n) {
		return false
	}
	delete(n.Labels, v1alpha1.LabelExcludeBalancers)
	return true
}

// Excluded is whether tidemill keeps load balancers off n.
func Excluded(n *corev1.Node) bool {
	return n.Labels[v1alpha1.LabelExcludeBalancers] == v1alpha1.Own
}

// TakeOutOfService says on n, in memory, that its machine is proven not to run:
// the control plane then removes its pods and detaches its volumes at once. It
// does nothing to a node of which somebody has said so already, and reports
// whether n changed.
func TakeOutOfService(n *corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		if t.Key == v1alpha1.TaintOutOfService {
			return false
		}
	}
	return AddTaint(n, corev1.Taint{Key: v1alpha1.TaintOutOfService, Value: v1alpha1.Own, Effect: corev1.TaintEffectNoExecute})
}

// OutOfService is whether tidemill has said so.
func OutOfService(n *corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		if t.Key == v1alpha1.TaintOutOfService && t.Value == v1alpha1.Own {
			return true
		}
	}
	return false
}

// PutInService takes back what [TakeOutOfService] did.
func PutInService(n *corev1.Node) bool {
	return OutOfService(n) && RemoveTaint(n, v1alpha1.TaintOutOfService)
}
