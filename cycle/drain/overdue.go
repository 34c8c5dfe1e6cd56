package drain

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A pod that was asked to leave is gone when its kubelet says so, some seconds after
// its grace period. Two things keep it longer: a finalizer keeps the object when the
// containers have ended, and a kubelet that cannot end a container, or let go of a
// volume, keeps all. A node that waited for either would never be empty. So:
//
//	due ─── 30 s ──┬─ its containers have ended: only an object is left, that ends with its owner
//	               └─ they have not: named as Overdue ─── 10 min ─── only the end of the machine can end it
const (
	overdueAfter = 30 * time.Second
	givenUpAfter = 10 * time.Minute
)

// overdue is for how long the pod should have been gone; the deletion timestamp has
// the grace period in it.
func overdue(pod *corev1.Pod, now time.Time) time.Duration {
	if pod.DeletionTimestamp == nil {
		return 0
	}
	return max(now.Sub(pod.DeletionTimestamp.Time), 0)
}

// waitedFor is whether a pod that is leaving still counts. On a dead kubelet none
// does that is due.
func (t Target) waitedFor(pod *corev1.Pod, now time.Time) bool {
	now = now.Add(t.Ahead)
	late := overdue(pod, now)
	switch {
	case !ready(t.Node):
		return now.Before(pod.DeletionTimestamp.Time)
	case ended(pod):
		return late <= overdueAfter
	}
	return late <= givenUpAfter
}

// ended is whether all containers of the pod have been seen to end.
func ended(pod *corev1.Pod) bool {
	if over(pod) {
		return true
	}
	if len(pod.Status.ContainerStatuses) < len(pod.Spec.Containers) || len(pod.Spec.Containers) == 0 {
		return false
	}
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, c := range list {
			if c.State.Running != nil || c.State.Terminated == nil && c.State.Waiting == nil {
				return false
			}
		}
	}
	return true
}

// whyOverdue says what keeps a pod, nil while it may still be on its way.
func whyOverdue(pod *corev1.Pod, now time.Time) *Block {
	late := overdue(pod, now)
	if late <= overdueAfter {
		return nil
	}
	message := fmt.Sprintf("it should have ended at %s, and the kubelet has not ended it; at %s the node is taken for empty without it",
		pod.DeletionTimestamp.UTC().Format(time.RFC3339), pod.DeletionTimestamp.Add(givenUpAfter).UTC().Format(time.RFC3339))
	if len(pod.Finalizers) > 0 {
		message += "; its finalizers are " + strings.Join(pod.Finalizers, ", ")
	}
	return &Block{Pod: key(pod), Reason: Overdue, Message: message}
}
