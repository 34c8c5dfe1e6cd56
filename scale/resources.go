package scale

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
)

// requests is what the scheduler counts for a pod.
func requests(pod *corev1.Pod) corev1.ResourceList {
	return resource.PodRequests(pod, resource.PodResourcesOptions{})
}

// gpu is whether a resource is an accelerator: the vendors' device plugins all
// say so in its name, save Intel's and Habana's.
func gpu(name corev1.ResourceName) bool {
	s := string(name)
	return strings.Contains(s, "/gpu") || strings.HasPrefix(s, "gpu.") || strings.HasPrefix(s, "habana.ai/")
}

// gpus is whether anything in the list is an accelerator.
func gpus(list corev1.ResourceList) bool {
	for name, q := range list {
		if gpu(name) && !q.IsZero() {
			return true
		}
	}
	return false
}

// usage adds up nodes: what they have, and what is asked of it.
type usage struct {
	have, want map[corev1.ResourceName]float64
}

func newUsage() usage {
	return usage{map[corev1.ResourceName]float64{}, map[corev1.ResourceName]float64{}}
}

func (u usage) add(n *corev1.Node, pods []*corev1.Pod) {
	for name, q := range n.Status.Allocatable {
		u.have[name] += q.AsApproximateFloat64()
	}
	for _, pod := range pods {
		for name, q := range requests(pod) {
			u.want[name] += q.AsApproximateFloat64()
		}
	}
}

// share is how much of a resource is asked for, 0 to 1, or 1 when there is none
// of it: what is not there is not idle.
func (u usage) share(name corev1.ResourceName) float64 {
	if u.have[name] == 0 {
		return 1
	}
	return min(1, u.want[name]/u.have[name])
}

// idle is the mean idle share of CPU, memory and, where there are any,
// accelerators.
func (u usage) idle() float64 {
	sum, n := 2-u.share(corev1.ResourceCPU)-u.share(corev1.ResourceMemory), 2.0
	if g, ok := u.idleGPUs(); ok {
		sum, n = sum+g, n+1
	}
	return sum / n
}

// waste is what options are compared by: idle, with idle accelerators on top. A
// GPU node for pods that want none is worse than any other node.
func (u usage) waste() float64 {
	g, _ := u.idleGPUs()
	return u.idle() + g
}

func (u usage) idleGPUs() (share float64, ok bool) {
	for name, have := range u.have {
		if gpu(name) && have > 0 {
			share, ok = max(share, 1-u.share(name)), true
		}
	}
	return share, ok
}
