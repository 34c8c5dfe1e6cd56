package scale

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stays is whether a pod needs no place elsewhere: it goes with its node, or is
// on its way out.
func stays(pod *corev1.Pod) bool {
	return mirror(pod) || ofDaemonSet(pod) || terminal(pod) || pod.DeletionTimestamp != nil
}

// movable are the pods that need a place elsewhere when their node goes.
func movable(pods []*corev1.Pod) (out []*corev1.Pod) {
	for _, pod := range pods {
		if !stays(pod) {
			out = append(out, pod)
		}
	}
	return out
}

// mirror is whether the kubelet runs the pod from a file of its own.
func mirror(pod *corev1.Pod) bool {
	_, ok := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return ok
}

func ofDaemonSet(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	return owner != nil && owner.Kind == "DaemonSet"
}

// overdueAfter is how long after its end was due a terminating pod counts as
// gone; cluster-autoscaler's extra threshold.
const overdueAfter = 30 * time.Second

// overdue is whether the pod should have ended long ago: a finalizer or a dead
// kubelet keeps its object. Its deletionTimestamp has the grace in it already.
func overdue(pod *corev1.Pod, now time.Time) bool {
	return pod.DeletionTimestamp != nil && now.Sub(pod.DeletionTimestamp.Time) > overdueAfter
}
