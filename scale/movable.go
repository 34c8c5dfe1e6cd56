package scale

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
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

// blocker is why a pod must not be moved, "" when it may. The rules and their
// order are cluster-autoscaler's, so that what was safe there is safe here; the
// PodDisruptionBudgets come after, over all pods of the node at once. The
// message goes on where the pod's name ends.
func (s *shrinking) blocker(pod *corev1.Pod) (Reason, string) {
	switch protected, malformed := world.DoNotDisrupt(pod.Annotations, pod.CreationTimestamp.Time, s.s.Now); {
	case malformed:
		return DoNotDisrupt, fmt.Sprintf(" has an annotation %q that is neither true nor a duration", pod.Annotations[v1alpha1.AnnotationDoNotDisrupt])
	case protected:
		return DoNotDisrupt, " is annotated so"
	}
	if why := s.sim.Unsupported(pod); why != "" {
		return DynamicResources, ": " + why
	}
	if pod.Annotations[v1alpha1.AnnotationSafeToEvict] == "true" {
		return "", ""
	}
	if metav1.GetControllerOfNoCopy(pod) == nil {
		return NotReplicated, " has no controller"
	}
	if pod.Namespace == metav1.NamespaceSystem && len(s.budgets.of(pod)) == 0 {
		return SystemPod, " has no PodDisruptionBudget"
	}
	if pod.Annotations[v1alpha1.AnnotationSafeToEvict] == "false" {
		return NotSafeToEvict, " is annotated so"
	}
	if volume := localVolume(pod); volume != "" {
		return LocalStorage, " keeps data in volume " + volume
	}
	return "", ""
}

// localVolume is the name of a volume whose data would be lost with the node.
func localVolume(pod *corev1.Pod) string {
	safe := strings.Split(strings.ReplaceAll(pod.Annotations[v1alpha1.AnnotationSafeToEvictLocal], " ", ""), ",")
	for _, v := range pod.Spec.Volumes {
		onDisk := v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory
		if (onDisk || v.HostPath != nil) && !slices.Contains(safe, v.Name) {
			return v.Name
		}
	}
	return ""
}
