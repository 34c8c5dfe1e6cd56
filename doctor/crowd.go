package doctor

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/world/lean"
)

// crowd is all pods of a cluster in little memory. Of a pod that is well the
// checks ask whose it is, which images run in it and whether it has an address of
// its own, and never its name: so one pod stands for all that would answer the
// same, on whatever node. 60,000 pods are then some hundred, and a pointer each.
type crowd struct {
	places map[string][]*corev1.Pod
	kinds  map[string]*corev1.Pod
	names  map[string]string // of nodes, once each
	pantry *lean.Pantry
	key    []byte
}

func newCrowd() *crowd {
	c := &crowd{}
	c.reset()
	return c
}

func (c *crowd) reset() {
	*c = crowd{places: map[string][]*corev1.Pod{}, kinds: map[string]*corev1.Pod{}, names: map[string]string{}, pantry: lean.NewPantry()}
}

// add counts a pod on its node. It keeps nothing of the page that the pod came
// with.
func (c *crowd) add(p *corev1.Pod) {
	if p.Spec.NodeName == "" {
		return // nobody's patient
	}
	kept := c.kept(p)
	node, known := c.names[p.Spec.NodeName]
	if !known {
		node = strings.Clone(p.Spec.NodeName)
		c.names[node] = node
	}
	c.places[node] = append(c.places[node], kept)
}

// kept is what stands for the pod.
func (c *crowd) kept(p *corev1.Pod) *corev1.Pod {
	if !well(p) {
		c.pantry.Pod(p)
		return p.DeepCopy()
	}
	c.key = appendKind(c.key[:0], p)
	one := c.kinds[string(c.key)]
	if one == nil {
		one = kindOf(p).DeepCopy()
		c.kinds[string(c.key)] = one
	}
	return one
}

// byNode are the pods by their nodes' names, in an order that is the same at
// every look.
func (c *crowd) byNode() map[string][]*corev1.Pod {
	for _, pods := range c.places {
		slices.SortStableFunc(pods, func(a, b *corev1.Pod) int {
			return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
		})
	}
	return c.places
}

// well is whether nothing about the pod is remarkable.
func well(p *corev1.Pod) bool {
	if p.Status.Phase != corev1.PodRunning || p.DeletionTimestamp != nil || podCondition(p, corev1.PodReady) == nil {
		return false
	}
	for _, c := range p.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			return false
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running == nil {
			return false
		}
	}
	for _, c := range p.Status.InitContainerStatuses {
		if c.State.Waiting != nil {
			return false
		}
	}
	return true
}

// kindOf is what the checks read of a pod that is well.
func kindOf(p *corev1.Pod) *corev1.Pod {
	out := &corev1.Pod{Spec: corev1.PodSpec{HostNetwork: p.Spec.HostNetwork}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}
	out.Namespace = p.Namespace
	for _, c := range p.Status.Conditions {
		out.Status.Conditions = append(out.Status.Conditions, corev1.PodCondition{Type: c.Type, Status: c.Status})
	}
	for _, c := range p.Status.ContainerStatuses {
		out.Status.ContainerStatuses = append(out.Status.ContainerStatuses,
			corev1.ContainerStatus{Image: c.Image, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
	}
	if owner := metav1.GetControllerOf(p); owner != nil {
		out.OwnerReferences = []metav1.OwnerReference{{UID: owner.UID, Kind: owner.Kind, Name: owner.Name, APIVersion: owner.APIVersion, Controller: owner.Controller}}
	}
	return out
}

// appendKind writes what kindOf keeps, so that two pods of one kind write the
// same and others do not: a kubelet may say anything, so each text and each list
// begins with its length.
func appendKind(b []byte, p *corev1.Pod) []byte {
	length := func(n int) { b = binary.AppendUvarint(b, uint64(n)) }
	text := func(s string) { length(len(s)); b = append(b, s...) }
	text(p.Namespace)
	b = strconv.AppendBool(b, p.Spec.HostNetwork)
	length(len(p.Status.Conditions))
	for _, c := range p.Status.Conditions {
		text(string(c.Type))
	}
	length(len(p.Status.ContainerStatuses))
	for _, c := range p.Status.ContainerStatuses {
		text(c.Image)
	}
	if owner := metav1.GetControllerOf(p); owner != nil {
		text(string(owner.UID))
	}
	return b
}
