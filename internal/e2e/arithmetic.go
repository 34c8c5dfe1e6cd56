package e2e

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The arithmetic of the story is its own. It counts how often a pod fits by
// dividing what a node offers by what the pod asks for, for pods that are all
// alike, and must come to the same number as tidemill's simulation of the
// scheduler.

// requests sums what a pod's containers ask for, and the pod itself as one.
func requests(p *corev1.Pod) corev1.ResourceList {
	total := corev1.ResourceList{corev1.ResourcePods: one}
	for _, c := range p.Spec.Containers {
		for name, q := range c.Resources.Requests {
			sum := total[name]
			sum.Add(q)
			total[name] = sum
		}
	}
	return total
}

// fits is how many pods that ask for so much fit into free.
func fits(free, ask corev1.ResourceList) int {
	most := int64(1 << 20)
	for name, q := range ask {
		if q.IsZero() {
			continue
		}
		have := free[name]
		most = min(most, max(0, have.MilliValue()/q.MilliValue()))
	}
	return int(most)
}

// free is what a node has left beside those of the pods that counts says yes to.
func free(n *corev1.Node, pods []corev1.Pod, counts func(*corev1.Pod) bool) corev1.ResourceList {
	left := n.Status.Allocatable.DeepCopy()
	for i := range pods {
		p := &pods[i]
		if p.Spec.NodeName != n.Name || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed || !counts(p) {
			continue
		}
		for name, q := range requests(p) {
			have := left[name]
			have.Sub(q)
			left[name] = have
		}
	}
	return left
}

// room is how many such pods fit on the nodes as they are.
func room(nodes []corev1.Node, pods []corev1.Pod, ask corev1.ResourceList) int {
	total := 0
	for i := range nodes {
		if !nodes[i].Spec.Unschedulable {
			total += fits(free(&nodes[i], pods, anyPod), ask)
		}
	}
	return total
}

// perNewNode is how many such pods fit on a node of this kind that has nothing
// on it but its DaemonSets.
func perNewNode(like *corev1.Node, pods []corev1.Pod, ask corev1.ResourceList) int {
	return fits(free(like, pods, ofDaemonSet), ask)
}

func anyPod(*corev1.Pod) bool { return true }

func ofDaemonSet(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	return owner != nil && owner.Kind == "DaemonSet"
}

// nodesFor is how many nodes carry so many pods; 0 for none.
func nodesFor(pods, perNode int) int {
	if pods <= 0 || perNode <= 0 {
		return 0
	}
	return (pods + perNode - 1) / perNode
}
