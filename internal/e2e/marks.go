package e2e

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// marks are what tidemill has left on a Node that nobody disrupts any more. Two
// things are none: the doctor's condition is a verdict and stays as long as the
// node, and an idle node's timer is an observation that goes on until the node
// is used, or scale-down is switched off; see [timers].
func marks(n *corev1.Node) []string {
	var left []string
	for _, key := range []string{v1alpha1.AnnotationDisruption, v1alpha1.AnnotationSkippedUntil, v1alpha1.AnnotationScaleDownKept} {
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

// timers are the node's scale-down timer, if it runs.
func timers(n *corev1.Node) []string {
	if v, ok := n.Annotations[v1alpha1.AnnotationUnneededSince]; ok {
		return []string{fmt.Sprintf("node %s has annotation %s=%s", n.Name, v1alpha1.AnnotationUnneededSince, v)}
	}
	return nil
}
