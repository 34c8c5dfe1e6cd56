package e2e

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// marks are what tidemill has left on a Node that nobody disrupts any more. The
// doctor's condition is not one: it is a verdict, and stays as long as the node.
func marks(n *corev1.Node) []string {
	var left []string
	for _, key := range []string{v1alpha1.AnnotationDisruption, v1alpha1.AnnotationUnneededSince, v1alpha1.AnnotationSkippedUntil} {
		if v, ok := n.Annotations[key]; ok {
			left = append(left, fmt.Sprintf("node %s has annotation %s=%s", n.Name, key, v))
		}
	}
	for _, t := range n.Spec.Taints {
		if t.Key == v1alpha1.TaintOutdated {
			left = append(left, fmt.Sprintf("node %s has taint %s", n.Name, t.Key))
		}
	}
	if n.Spec.Unschedulable {
		left = append(left, fmt.Sprintf("node %s is cordoned", n.Name))
	}
	return left
}
