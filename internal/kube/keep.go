package kube

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// KeepFromScaleDown tells a cluster-autoscaler, on n in memory, to leave the
// node alone, and notes what stood there before. It does nothing to a node that
// somebody else has kept already, and reports whether n changed.
func KeepFromScaleDown(n *corev1.Node) bool {
	before := n.Annotations[v1alpha1.AnnotationScaleDownDisabled]
	if _, kept := n.Annotations[v1alpha1.AnnotationScaleDownKept]; kept || before == "true" {
		return false
	}
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	n.Annotations[v1alpha1.AnnotationScaleDownKept] = before
	n.Annotations[v1alpha1.AnnotationScaleDownDisabled] = "true"
	return true
}

// AllowScaleDown takes back what [KeepFromScaleDown] did, and reports whether n
// changed. A value that somebody has set meanwhile is theirs and stays.
func AllowScaleDown(n *corev1.Node) bool {
	before, kept := n.Annotations[v1alpha1.AnnotationScaleDownKept]
	if !kept {
		return false
	}
	delete(n.Annotations, v1alpha1.AnnotationScaleDownKept)
	switch {
	case n.Annotations[v1alpha1.AnnotationScaleDownDisabled] != "true":
	case before == "":
		delete(n.Annotations, v1alpha1.AnnotationScaleDownDisabled)
	default:
		n.Annotations[v1alpha1.AnnotationScaleDownDisabled] = before
	}
	return true
}
