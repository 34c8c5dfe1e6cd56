package fit

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Model is what nodes are made like: a node of which there may be any number,
// with the pods that each of them has from the start.
type Model struct {
	node *corev1.Node
	pods []placed
	// slices are of the devices that each of them publishes, of no node yet.
	slices []*resourcev1.ResourceSlice
	have   amounts
	used   amounts
	most   int
	kind   *kind // when no pod asks for a hostname
	era    int   // of kinds, in which kind was found
	daily  bool  // kind is known
}

// Model prepares nodes like object that differ in name and hostname, each with
// the given pods on it and the devices of these slices, see world.TemplateSlices.
// All are shared and must not change afterwards.
func (c *Cluster) Model(object *corev1.Node, pods []*corev1.Pod, slices ...*resourcev1.ResourceSlice) *Model {
	allocatable := framework.NewResource(object.Status.Allocatable)
	m := &Model{node: object, have: c.amounts(allocatable), most: allocatable.AllowedPodNumber, slices: slices}
	m.used = make(amounts, len(m.have))
	for _, pod := range pods {
		m.pods = append(m.pods, placed{pod, c.Class(pod)})
	}
	for _, p := range m.pods {
		m.used.add(p.class.use, 1)
	}
	return m
}

// AddLike adds a node made after a model. A second node of one name is an error.
func (c *Cluster) AddLike(m *Model, name string) error {
	if c.nodes[name] != nil {
		return fmt.Errorf("add node %s: there is one of that name", name)
	}
	n := &node{name: name, like: m, have: m.have, used: append(make(amounts, 0, len(m.used)+2), m.used...), most: m.most}
	n.pods = append(make([]placed, 0, len(m.pods)+8), m.pods...)
	n.refresh(c)
	c.serial++
	n.serial = c.serial
	if m.era != c.asked.era || !m.daily || c.kinds.selects[corev1.LabelHostname] {
		m.kind, m.era, m.daily = c.kindOf(n), c.asked.era, true
	}
	n.kind = m.kind
	n.domains = c.topo.domainsOf(n)
	mark := c.mark()
	c.insert(n)
	for i := range n.pods {
		if p := &n.pods[i]; p.class.devised {
			own := *p.pod // a claim is one pod's
			own.Name, own.UID = own.Name+"@"+name, own.UID+types.UID("@"+name)
			p.pod = &own
			c.allot(n, p.pod)
		}
	}
	c.wrote(change{op: nodeAdded, node: n, mark: mark})
	return nil
}

// asObject is the node as the API would show it.
func (n *node) asObject() *corev1.Node {
	if n.object == nil {
		object := *n.like.node
		object.Name = n.name
		object.Labels = map[string]string{corev1.LabelHostname: n.name}
		for k, v := range n.like.node.Labels {
			if k != corev1.LabelHostname {
				object.Labels[k] = v
			}
		}
		n.object = &object
	}
	return n.object
}
