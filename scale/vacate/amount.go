package vacate

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

// Amount is what a pod takes or a node has: CPU in thousandths of a core, memory
// and local storage in bytes, and pods.
type Amount struct {
	CPU, Memory, Storage, Pods int64
}

// Plus is the sum.
func (a Amount) Plus(b Amount) Amount {
	return Amount{a.CPU + b.CPU, a.Memory + b.Memory, a.Storage + b.Storage, a.Pods + b.Pods}
}

// Minus is the difference.
func (a Amount) Minus(b Amount) Amount {
	return Amount{a.CPU - b.CPU, a.Memory - b.Memory, a.Storage - b.Storage, a.Pods - b.Pods}
}

// Within is whether all of a fits into b.
func (a Amount) Within(b Amount) bool {
	return a.CPU <= b.CPU && a.Memory <= b.Memory && (a.Storage == 0 || a.Storage <= b.Storage) && a.Pods <= b.Pods
}

// admits is whether a pod that takes want fits into what is free, as the
// scheduler's NodeResourcesFit counts: what a pod does not ask for it fits even
// where too much of it is given out already.
func (a Amount) admits(want Amount) bool {
	return want.Pods <= a.Pods && (want.CPU == 0 || want.CPU <= a.CPU) &&
		(want.Memory == 0 || want.Memory <= a.Memory) && (want.Storage == 0 || want.Storage <= a.Storage)
}

// words are what is missing, in the scheduler's words and order.
var words = [...]string{"Too many pods", "Insufficient cpu", "Insufficient memory", "Insufficient ephemeral-storage"}

// lacks is what is missing for want, a bit for each of the words.
func (a Amount) lacks(want Amount) (mask int) {
	for i, missing := range [...]bool{
		want.Pods > a.Pods, want.CPU > 0 && want.CPU > a.CPU, want.Memory > 0 && want.Memory > a.Memory, want.Storage > 0 && want.Storage > a.Storage,
	} {
		if missing {
			mask |= 1 << i
		}
	}
	return mask
}

func inWords(mask int) string {
	var out []string
	for i, w := range words {
		if mask&(1<<i) != 0 {
			out = append(out, w)
		}
	}
	return strings.Join(out, ", ")
}

// Room is what a node has for pods, those on it included.
func Room(n *corev1.Node) Amount {
	a := n.Status.Allocatable
	return Amount{a.Cpu().MilliValue(), a.Memory().Value(), a.StorageEphemeral().Value(), a.Pods().Value()}
}

// Requests is what the scheduler counts for a pod on a node, and whether the pod
// asks for nothing that an Amount does not hold. Fractions of a unit are
// rounded up for each container: a sum may be larger than the scheduler's, never
// smaller.
func Requests(pod *corev1.Pod) (Amount, bool) {
	if !plain(pod) {
		return sum(resource.PodRequests(pod, resource.PodResourcesOptions{
			UseStatusResources: true, InPlacePodLevelResourcesVerticalScalingEnabled: true,
		}))
	}
	total, all := Amount{}, true
	for i := range pod.Spec.Containers {
		a, ok := sum(pod.Spec.Containers[i].Resources.Requests)
		total, all = total.Plus(a), all && ok
	}
	total.Pods = 1
	return total, all
}

// plain is whether a pod's requests are those of its containers and nothing
// else has a say. Reading them directly spares a map for each of 80,000 pods.
func plain(pod *corev1.Pod) bool {
	if len(pod.Spec.InitContainers) > 0 || pod.Spec.Overhead != nil || pod.Spec.Resources != nil || pod.Status.Resources != nil {
		return false
	}
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Resources != nil && !settled(pod, &pod.Status.ContainerStatuses[i]) {
			return false
		}
	}
	return true
}

// settled is whether a container runs with what its spec asks for, and not in
// the middle of being resized.
func settled(pod *corev1.Pod, s *corev1.ContainerStatus) bool {
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		if c.Name != s.Name {
			continue
		}
		return same(c.Resources.Requests, s.Resources.Requests) && same(c.Resources.Requests, s.AllocatedResources)
	}
	return false
}

func same(want, got corev1.ResourceList) bool {
	for name, q := range want {
		if other, ok := got[name]; !ok || other.Cmp(q) != 0 {
			return false
		}
	}
	return len(got) <= len(want)
}

func sum(list corev1.ResourceList) (a Amount, all bool) {
	all, a.Pods = true, 1
	for name, q := range list {
		switch name {
		case corev1.ResourceCPU:
			a.CPU = q.MilliValue()
		case corev1.ResourceMemory:
			a.Memory = q.Value()
		case corev1.ResourceEphemeralStorage:
			a.Storage = q.Value()
		default:
			all = all && q.IsZero()
		}
	}
	return a, all
}
