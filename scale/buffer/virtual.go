package buffer

import (
	"fmt"
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Marks of virtual pods. They are on no object in the cluster.
const (
	// annotationOwner names whose wish the pod is, "Kind/namespace/name".
	annotationOwner = "virtual.tidemill.dev/owner"
	// annotationCheck is on pods for which nothing grows.
	annotationCheck = "virtual.tidemill.dev/check"
	// annotationGroup names a group that is helped wholly or not at all.
	annotationGroup = "virtual.tidemill.dev/group"
)

// Priority is that of a virtual pod, -10: below every pod that does not ask to
// be expendable, at the cutoff below which nothing grows.
const Priority int32 = -10

// MaxPods bounds the virtual pods of one look, as cluster-autoscaler's limit of
// injected pods does; those of one owner are not cut in half.
const MaxPods = 5000

// Owner is whose wish a virtual pod is; "" for a real pod.
func Owner(pod *corev1.Pod) string { return pod.Annotations[annotationOwner] }

// ChecksOnly is whether nothing may grow for the pod.
func ChecksOnly(pod *corev1.Pod) bool { return pod.Annotations[annotationCheck] != "" }

// Asks is whether the pod is a question that is yet to be answered: it takes no
// room from anybody, and is answered from what is left when all others have
// theirs.
func Asks(pod *corev1.Pod) bool { return pod.Annotations[annotationCheck] == checkAsks }

// Values of annotationCheck.
const (
	checkAsks = "asks"
	checkKept = "kept"
)

// Keys by which pods say that they belong together. The first two are Kueue's,
// the third is that of the scheduler-plugins' coscheduling; Kubernetes' own is
// spec.schedulingGroup.
const (
	labelKueueGroup      = "kueue.x-k8s.io/pod-group-name"
	annotationKueueCount = "kueue.x-k8s.io/pod-group-total-count"
	labelPodGroup        = "scheduling.x-k8s.io/pod-group"
)

// Group is the group that the pod belongs to, "" for none, and how many pods
// the group has when it says so, else 0: then it has as many as are seen.
func Group(pod *corev1.Pod) (name string, size int) {
	at := pod.Namespace + "/"
	switch {
	case pod.Annotations[annotationGroup] != "":
		return pod.Annotations[annotationGroup], 0
	case pod.Spec.SchedulingGroup != nil && pod.Spec.SchedulingGroup.PodGroupName != nil:
		return at + *pod.Spec.SchedulingGroup.PodGroupName, 0
	case pod.Labels[labelKueueGroup] != "":
		size, err := strconv.Atoi(pod.Annotations[annotationKueueCount])
		if err != nil || size < 0 {
			size = 0
		}
		return at + pod.Labels[labelKueueGroup], size
	case pod.Labels[labelPodGroup] != "":
		return at + pod.Labels[labelPodGroup], 0
	}
	return "", 0
}

// virtual makes n pods from a template for an owner.
func virtual(owner, namespace string, t *corev1.PodTemplateSpec, from, n int, marks map[string]string) []*corev1.Pod {
	var out []*corev1.Pod
	labels, annotations := maps.Clone(t.Labels), maps.Clone(t.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotationOwner] = owner
	maps.Copy(annotations, marks)
	spec := t.Spec.DeepCopy()
	priority := Priority
	spec.Priority, spec.NodeName = &priority, ""
	if spec.SchedulerName == "" {
		spec.SchedulerName = corev1.DefaultSchedulerName
	}
	// What holds a pod back holds back pods that exist.
	spec.SchedulingGates, spec.SchedulingGroup = nil, nil
	yes := true
	for i := range n {
		name := fmt.Sprintf("%s/%d", owner, from+i)
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID("virtual/" + name), Labels: labels, Annotations: annotations,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "virtual.tidemill.dev", Kind: "Wish", Name: owner, UID: types.UID(owner), Controller: &yes}},
		}}
		pod.Spec, pod.Status.Phase = *spec, corev1.PodPending
		out = append(out, pod)
	}
	return out
}
