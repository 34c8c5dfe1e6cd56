package drain

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Traffic is what load balancers send to a node.
type Traffic int

const (
	// TrafficUnknown is none that is known of.
	TrafficUnknown Traffic = iota
	// NoTraffic: no load balancer has the node among its backends.
	NoTraffic
	// Passing: it goes through the node to pods anywhere. It may stop when the
	// pods have left, but before the machine ends.
	Passing
	// Serving: it ends at pods of this node (externalTrafficPolicy Local), which
	// must not leave before it has stopped.
	Serving
)

// String gives the traffic's name.
func (t Traffic) String() string {
	return [...]string{"unknown", "none", "passing", "serving"}[max(0, min(int(t), 3))]
}

// TrafficOf says what load balancers send to a node with these pods. A node that
// is not ready gets none: its health check has failed before.
func TrafficOf(node *corev1.Node, pods []*corev1.Pod, balancers []*corev1.Service) Traffic {
	t := NoTraffic
	if !ready(node) {
		return t
	}
	for _, s := range balancers {
		if s.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
			t = max(t, Passing)
			continue
		}
		for _, p := range pods {
			if behind(s, p) {
				return Serving
			}
		}
	}
	return t
}

// behind is whether the pod serves the Service's traffic.
func behind(s *corev1.Service, pod *corev1.Pod) bool {
	return len(s.Spec.Selector) > 0 && s.Namespace == pod.Namespace && !over(pod) && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels))
}

// serving is whether a load balancer may send traffic straight to the pod.
func (t Target) serving(pod *corev1.Pod) bool {
	if t.Excluded.IsZero() {
		return false
	}
	for _, s := range t.Balancers {
		if s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal && behind(s, pod) {
			return true
		}
	}
	return false
}
