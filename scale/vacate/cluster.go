package vacate

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// Oracle is the scheduler's own rules on a simulated cluster that has the same
// nodes and pods.
type Oracle interface {
	// Fork begins a what-if, Commit and Revert end the innermost one.
	Fork()
	Commit()
	Revert()
	// RemoveNode takes a node away with its pods, AddPod puts a pod on a node.
	RemoveNode(name string)
	AddPod(pod *corev1.Pod, node string) error
	// Schedule puts the pod on the first of the nodes that it fits; "" and why
	// when there is none.
	Schedule(pod *corev1.Pod, among []string) (node, why string)
}

// Cluster is what stands, counted. It is not safe for concurrent use.
type Cluster struct {
	oracle func() (Oracle, error)
	opened Oracle
	// untold are changes made by arithmetic that the Oracle has yet to hear of.
	untold []change

	nodes map[string]*node
	// places are the destinations in the order in which they are tried.
	places []*node

	kinds   map[kindKey]*kind
	entries map[string]*entry
	shy     shy
	// version grows with every change.
	version int
	// asked counts questions to the Oracle.
	asked int
}

// node is a node in numbers.
type node struct {
	object *corev1.Node
	free   Amount
	place  int // in places, -1 when it is no destination
	gone   bool
}

// change is a node that went (pod nil) or a pod that came.
type change struct {
	node string
	pod  *corev1.Pod
}

// New makes a Cluster without nodes. The oracle is opened when it is first
// needed; the Cluster must have been filled with what the oracle has by then.
func New(oracle func() (Oracle, error)) *Cluster {
	return &Cluster{oracle: oracle, nodes: map[string]*node{}, kinds: map[kindKey]*kind{}, entries: map[string]*entry{}, version: 1}
}

// Load is how full a node is by the pods that are counted: the share of its CPU
// or its memory that they ask for, whichever is more, and 1 for what the node
// does not have.
func Load(n *corev1.Node, counted Amount) float64 {
	all := Room(n)
	return max(share(counted.CPU, all.CPU), share(counted.Memory, all.Memory))
}

func share(part, all int64) float64 {
	if all <= 0 {
		return 1
	}
	return min(1, float64(part)/float64(all))
}

// AddNode adds a node. used is the sum of the [Requests] of the pods on it, and
// shy are those of them that have anti-affinity to other pods, or more of them.
func (c *Cluster) AddNode(n *corev1.Node, shy []*corev1.Pod, used Amount) {
	for _, pod := range shy {
		c.shy.add(pod)
	}
	c.nodes[n.Name] = &node{object: n, free: Room(n).Minus(used), place: -1}
}

// Mind has the Cluster heed the anti-affinity of a pod that runs on none of its
// nodes, or will.
func (c *Cluster) Mind(pod *corev1.Pod) { c.shy.add(pod) }

// Place makes nodes destinations, in this order. It is called once, before the
// first Try; names that are not nodes are passed over.
func (c *Cluster) Place(names []string) {
	for _, name := range names {
		if n := c.nodes[name]; n != nil && n.place < 0 && !n.object.Spec.Unschedulable {
			n.place = len(c.places)
			c.places = append(c.places, n)
		}
	}
}

// Withdraw makes a node no destination any more.
func (c *Cluster) Withdraw(name string) {
	if n := c.nodes[name]; n != nil {
		n.gone = true
	}
}

// Simple is whether all of the pods are placed by arithmetic alone.
func (c *Cluster) Simple(pods []*corev1.Pod) bool {
	for _, pod := range pods {
		if k, _ := c.kindOf(pod); k == nil {
			return false
		}
	}
	return true
}

// Asked is how many questions went to the Oracle so far.
func (c *Cluster) Asked() int { return c.asked }

// kindOf is the pod's kind, nil when it is not simple.
func (c *Cluster) kindOf(pod *corev1.Pod) (*kind, Amount) {
	want, all := Requests(pod)
	if !all || !simple(pod) || c.shy.means(pod) {
		return nil, want
	}
	key := entryKey(&pod.Spec)
	e := c.entries[key]
	if e == nil {
		e = &entry{affinity: nodeaffinity.GetRequiredNodeAffinity(pod), tolerations: pod.Spec.Tolerations, answers: make([]answer, len(c.places))}
		c.entries[key] = e
	}
	k := c.kinds[kindKey{e, want}]
	if k == nil {
		k = &kind{want: want, entry: e}
		c.kinds[kindKey{e, want}] = k
	}
	return k, want
}

// Tell has the Oracle hear of everything so far. There must be no Attempt under
// way.
func (c *Cluster) Tell() error {
	_, err := c.open()
	return err
}

// open is the Oracle, told of everything so far.
func (c *Cluster) open() (Oracle, error) {
	if c.opened == nil {
		o, err := c.oracle()
		if err != nil {
			return nil, err
		}
		c.opened = o
	}
	for _, ch := range c.untold {
		if ch.pod == nil {
			c.opened.RemoveNode(ch.node)
		} else if err := c.opened.AddPod(ch.pod, ch.node); err != nil {
			return nil, err
		}
	}
	c.untold = c.untold[:0]
	return c.opened, nil
}
