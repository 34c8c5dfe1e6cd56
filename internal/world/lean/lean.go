package lean

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	toolscache "k8s.io/client-go/tools/cache"
)

// Transform is what informers do to each object with a pantry that nobody tells which
// pods live.
func Transform() toolscache.TransformFunc { return NewPantry().Transform }

// Transform is what an informer does to each object before it keeps it. It
// changes the object in place: what it is given must be its own, as that which
// an informer has just read is. It is safe for concurrent use.
func (p *Pantry) Transform(object any) (any, error) {
	// What is no object, such as the tombstone of a deletion that was missed,
	// holds one that has been here before.
	if o, err := meta.Accessor(object); err == nil {
		o.SetManagedFields(nil)
	}
	switch o := object.(type) {
	case *corev1.Pod:
		p.Pod(o)
	case *corev1.Node:
		p.Node(o)
	}
	return object, nil
}

// Node takes the images off a Node: most of it is the list of those that it
// holds. Most of its labels are those of its pool.
func (p *Pantry) Node(n *corev1.Node) {
	n.ManagedFields, n.Status.Images = nil, nil
	n.Labels, n.Annotations = texts(n.Labels), texts(n.Annotations)
	for i := range n.Status.Conditions {
		c := &n.Status.Conditions[i]
		c.Type, c.Status, c.Reason, c.Message = once(c.Type), once(c.Status), once(c.Reason), once(c.Message)
	}
}

// Pod takes off a pod on a node what says how it runs there. One without a node
// is left as it is: whoever places it may ask for anything.
func (p *Pantry) Pod(pod *corev1.Pod) {
	pod.ManagedFields = nil
	if pod.Spec.NodeName == "" {
		return
	}
	pod.GenerateName = ""
	//lint:ignore SA1019 old objects carry it, and nobody reads it
	pod.SelfLink = ""
	pod.Namespace, pod.Spec.NodeName = once(pod.Namespace), once(pod.Spec.NodeName)
	annotations(pod)
	spec(&pod.Spec)
	status(&pod.Status)
	p.share(pod)
}
