package fit

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// memo remembers a node's no to a class of pods for as long as the node does
// not change: of a thousand replicas only the first asks a full node.
type memoKey struct{ class, node string }

type memoAnswer struct {
	generation int64 // NodeInfo's, which grows with every change
	reason     Reason
}

// shape is what filtering looks at in a pod, apart from volumes. Pods of one
// Deployment differ in the rest: each has a token volume of its own name.
type shape struct {
	Owner       string
	Namespace   string
	Labels      map[string]string
	NodeName    string
	Selector    map[string]string
	Affinity    *corev1.Affinity
	Tolerations []corev1.Toleration
	Overhead    corev1.ResourceList
	Pod         *corev1.ResourceRequirements
	Init, Main  []container
}

type container struct {
	Resources corev1.ResourceRequirements
	Ports     []corev1.ContainerPort
	Restart   *corev1.ContainerRestartPolicy // a sidecar's requests count differently
}

// classOf names the pod's class: pods of one owner with one shape.
func (c *Cluster) classOf(pod *corev1.Pod) string {
	if class, ok := c.classes[pod]; ok {
		return class
	}
	s := shape{
		Namespace: pod.Namespace, Labels: pod.Labels, NodeName: pod.Spec.NodeName, Selector: pod.Spec.NodeSelector,
		Affinity: pod.Spec.Affinity, Tolerations: pod.Spec.Tolerations, Overhead: pod.Spec.Overhead, Pod: pod.Spec.Resources,
		Init: containers(pod.Spec.InitContainers), Main: containers(pod.Spec.Containers),
	}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		s.Owner = string(owner.UID)
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // plain API types always marshal
	}
	c.classes[pod] = string(text)
	return string(text)
}

func containers(list []corev1.Container) []container {
	out := make([]container, len(list))
	for i := range list {
		out[i] = container{list[i].Resources, list[i].Ports, list[i].RestartPolicy}
	}
	return out
}
