package fit

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/tidemill/tidemill/internal/world"
)

// Cluster is a simulated cluster. It is not safe for concurrent use.
type Cluster struct {
	asked      asked
	namespaces map[string]labels.Set
	claims     map[string]int // namespace/name of a PVC to the placed pods that use it

	nodes     map[string]*node
	serial    int // of nodes, ever
	resources map[corev1.ResourceName]int
	names     []corev1.ResourceName // of resources, by number

	book classBook
	// memo is what was known before, nil for nothing; numbered its spellings'
	// classes.
	memo     *Memo
	numbered []*Class
	kinds    kindBook
	devices  *devices
	searched int // for devices, in vain and for too long
	topo     topology
	rules    ruleBook

	journal []change
	forks   []int // lengths of the journal when the open ones began
	// loosened counts changes after which a node may take what it refused before.
	loosened int
}

// node is a machine in the simulation.
type node struct {
	name   string
	object *corev1.Node // nil while nobody has asked for a node like another
	like   *Model
	kind   *kind
	serial int // order of AddNode
	away   bool

	have, used amounts
	most       int // pods
	pods       []placed
	domains    []int32 // by topology key; absent where there is no such label

	info   *framework.NodeInfo         // for the volume plugins, made when asked for
	slices []*resourcev1.ResourceSlice // of this node alone; of one like others when asked for
}

// placed is a pod on a node.
type placed struct {
	pod   *corev1.Pod
	class *Class
}

// New makes a Cluster without nodes that knows the snapshot's namespaces and
// storage objects, and which labels the pods in it select by. Which nodes there
// are, and with which pods, is the caller's to say.
func New(s *world.Snapshot) (*Cluster, error) { return Recall(s, nil) }

// Recall is New with what a Memo knows of the snapshot's pods; nil for nothing.
func Recall(s *world.Snapshot, m *Memo) (*Cluster, error) {
	c := &Cluster{
		memo:       m,
		namespaces: map[string]labels.Set{},
		claims:     map[string]int{},
		nodes:      map[string]*node{},
		resources:  map[corev1.ResourceName]int{},
		book:       newClassBook(),
		kinds:      newKindBook(),
		devices:    newDevices(s),
		topo:       newTopology(),
		rules:      newRuleBook(),
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		c.number(name)
	}
	for _, ns := range s.Namespaces {
		c.namespaces[ns.Name] = ns.Labels
	}
	p, err := newPlugins(c, s)
	if err != nil {
		return nil, fmt.Errorf("set up the scheduler's plugins: %w", err)
	}
	c.asked = sortOut(p)
	if m != nil {
		m.begin()
	}
	c.book.survey(s, m)
	if m != nil {
		m.ordered(c.book.order)
	}
	return c, nil
}

// AddNode adds a node without pods. The node is shared, not copied: it must not
// change afterwards. A second node of one name is an error.
func (c *Cluster) AddNode(object *corev1.Node) error {
	if c.nodes[object.Name] != nil {
		return fmt.Errorf("add node %s: there is one of that name", object.Name)
	}
	allocatable := framework.NewResource(object.Status.Allocatable)
	n := &node{name: object.Name, object: object, have: c.amounts(allocatable), most: allocatable.AllowedPodNumber, slices: c.devices.local[object.Name]}
	n.used = make(amounts, len(n.have))
	c.enter(n)
	return nil
}

func (c *Cluster) enter(n *node) {
	c.serial++
	n.serial = c.serial
	n.kind = c.kindOf(n)
	n.domains = c.topo.domainsOf(n)
	mark := c.mark()
	c.insert(n)
	c.wrote(change{op: nodeAdded, node: n, mark: mark})
}

// insert makes a node, with the pods on it, part of what is counted.
func (c *Cluster) insert(n *node) {
	c.nodes[n.name], n.away = n, false
	c.rules.ground(n, 1)
	for i := range n.pods {
		c.counted(n, n.pods[i].class, n.pods[i].pod, 1)
	}
}

func (c *Cluster) withdraw(n *node) {
	for i := range n.pods {
		c.counted(n, n.pods[i].class, n.pods[i].pod, -1)
	}
	c.rules.ground(n, -1)
	delete(c.nodes, n.name)
	n.away = true
	c.loosened++
}

// RemoveNode takes a node away with its pods; a node that is not there is
// already away.
func (c *Cluster) RemoveNode(name string) {
	if n := c.nodes[name]; n != nil {
		mark := c.mark()
		for i := range n.pods {
			if n.pods[i].class.devised {
				c.devices.ledger.release(n.pods[i].pod)
			}
		}
		c.withdraw(n)
		c.wrote(change{op: nodeRemoved, node: n, mark: mark})
	}
}

// AddPod places a pod on a node, whether it fits or not. The pod needs a UID.
func (c *Cluster) AddPod(pod *corev1.Pod, node string) error {
	n := c.nodes[node]
	if n == nil {
		return fmt.Errorf("place pod %s/%s: no node %s", pod.Namespace, pod.Name, node)
	}
	c.put(n, c.classOn(n, pod), []*corev1.Pod{pod})
	return nil
}

// put places pods of one class on a node.
func (c *Cluster) put(n *node, class *Class, pods []*corev1.Pod) {
	mark := c.mark()
	for _, pod := range pods {
		n.pods = append(n.pods, placed{pod, class})
		if class.stored {
			c.claim(pod, 1)
		}
	}
	if class.devised {
		for _, pod := range pods {
			c.allot(n, pod)
		}
	}
	c.load(n, class, len(pods))
	c.wrote(change{op: podsAdded, node: n, count: len(pods), mark: mark})
}

// load counts n pods more, or fewer, of a class on the node.
func (c *Cluster) load(n *node, class *Class, count int) {
	n.used.add(class.use, int64(count))
	for _, t := range class.counted {
		t.add(n, count)
	}
	n.info = nil
}

// counted is load without the node's own books: those go with the node.
func (c *Cluster) counted(n *node, class *Class, pod *corev1.Pod, count int) {
	for _, t := range class.counted {
		t.add(n, count)
	}
	if class.stored {
		c.claim(pod, count)
	}
}

func (c *Cluster) claim(pod *corev1.Pod, n int) {
	for _, key := range claimsOf(pod) {
		c.claims[key] += n
	}
}

// RemovePod takes a pod off a node.
func (c *Cluster) RemovePod(pod *corev1.Pod, node string) error {
	n := c.nodes[node]
	if n == nil {
		return fmt.Errorf("take pod %s/%s: no node %s", pod.Namespace, pod.Name, node)
	}
	for i := range n.pods {
		if p := n.pods[i]; p.pod.UID == pod.UID {
			mark := c.mark()
			if p.class.devised {
				c.devices.ledger.release(p.pod)
			}
			c.take(n, i)
			c.wrote(change{op: podTaken, node: n, count: i, pod: p, mark: mark})
			return nil
		}
	}
	return fmt.Errorf("take pod %s/%s off node %s: it is not there", pod.Namespace, pod.Name, node)
}

func (c *Cluster) take(n *node, i int) {
	p := n.pods[i]
	n.pods = slices.Delete(slices.Clone(n.pods), i, i+1)
	if p.class.stored {
		c.claim(p.pod, -1)
	}
	c.load(n, p.class, -1)
	c.loosened++
}

// Node is the node as it was added, nil if there is none of that name.
func (c *Cluster) Node(name string) *corev1.Node {
	if n := c.nodes[name]; n != nil {
		return n.asObject()
	}
	return nil
}

// Claims are the claims as the simulation has them, in order of namespace and
// name, those that it has foreseen included.
func (c *Cluster) Claims() []*resourcev1.ResourceClaim {
	l := c.devices.ledger
	out := make([]*resourcev1.ResourceClaim, 0, len(l.claims))
	for _, key := range slices.Sorted(maps.Keys(l.claims)) {
		out = append(out, l.claims[key].claim)
	}
	return out
}

// Pods are those placed on a node, in no order worth relying on.
func (c *Cluster) Pods(node string) []*corev1.Pod {
	n := c.nodes[node]
	if n == nil {
		return nil
	}
	out := make([]*corev1.Pod, len(n.pods))
	for i := range n.pods {
		out[i] = n.pods[i].pod
	}
	return out
}

// Names are the names of all nodes, in the order of their coming.
func (c *Cluster) Names() []string {
	list := slices.SortedFunc(maps.Values(c.nodes), func(a, b *node) int { return a.serial - b.serial })
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = n.name
	}
	return out
}
