package fit

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/tidemill/tidemill/internal/world"
)

// Cluster is a simulated cluster. It is not safe for concurrent use.
type Cluster struct {
	plugins plugins
	claims  map[string]int // namespace/name of a PVC to the placed pods that use it

	order []*framework.NodeInfo // in the order of AddNode: first fit is stable
	nodes map[string]*framework.NodeInfo
	view  view

	journal []func() // undo, newest last; written only inside a fork
	forks   []fork   // open ones
	counter int      // of forks, ever
	owner   map[string]int

	classes map[*corev1.Pod]string
	memo    map[memoKey]memoAnswer
}

// fork is an open what-if. A node is copied when it is first changed in a fork:
// undoing changes one by one would not do, since NodeInfo forgets (two pods with
// one host port are remembered as one).
type fork struct {
	id   int // unique, so that a committed fork's copies are not taken for ours
	mark int // length of the journal when it began
}

// New makes a Cluster without nodes that knows the snapshot's namespaces and
// storage objects. Which nodes there are, and with which pods, is the caller's
// to say.
func New(s *world.Snapshot) (*Cluster, error) {
	c := &Cluster{
		claims:  map[string]int{},
		nodes:   map[string]*framework.NodeInfo{},
		owner:   map[string]int{},
		classes: map[*corev1.Pod]string{},
		memo:    map[memoKey]memoAnswer{},
	}
	p, err := newPlugins(c, s)
	if err != nil {
		return nil, fmt.Errorf("set up the scheduler's plugins: %w", err)
	}
	c.plugins = p
	return c, nil
}

// Fork begins a what-if: everything done from here on is undone by Revert, or
// kept by Commit. Forks nest.
func (c *Cluster) Fork() {
	c.counter++
	c.forks = append(c.forks, fork{c.counter, len(c.journal)})
}

// Commit ends the innermost fork and keeps what was done.
func (c *Cluster) Commit() {
	c.forks = c.forks[:len(c.forks)-1]
	if len(c.forks) == 0 {
		c.journal = c.journal[:0]
	}
}

// Revert ends the innermost fork and undoes what was done, last change first.
func (c *Cluster) Revert() {
	mark := c.forks[len(c.forks)-1].mark
	undo := c.journal[mark:]
	c.forks = c.forks[:len(c.forks)-1]
	for i := len(undo) - 1; i >= 0; i-- {
		undo[i]()
	}
	c.journal = c.journal[:mark]
}

// undo writes down how to go back. It must not itself call what writes undo.
func (c *Cluster) undo(f func()) {
	if len(c.forks) > 0 {
		c.journal = append(c.journal, f)
	}
}

// own is the node's NodeInfo for changing: in a fork that has not changed it
// yet, a copy.
func (c *Cluster) own(name string) *framework.NodeInfo {
	old := c.nodes[name]
	if old == nil || len(c.forks) == 0 {
		return old
	}
	id, before := c.forks[len(c.forks)-1].id, c.owner[name]
	if before == id {
		return old
	}
	c.swap(name, old.SnapshotConcrete(), id)
	c.undo(func() { c.swap(name, old, before) })
	return c.nodes[name]
}

func (c *Cluster) swap(name string, info *framework.NodeInfo, owner int) {
	c.order[slices.Index(c.order, c.nodes[name])] = info
	c.nodes[name], c.owner[name] = info, owner
	c.view = view{}
}

// AddNode adds a node without pods. The node is shared, not copied: it must not
// change afterwards. A second node of one name is an error.
func (c *Cluster) AddNode(n *corev1.Node) error {
	if c.nodes[n.Name] != nil {
		return fmt.Errorf("add node %s: there is one of that name", n.Name)
	}
	info := framework.NewNodeInfo()
	info.SetNode(n)
	c.insert(len(c.order), info)
	if len(c.forks) > 0 {
		c.owner[n.Name] = c.forks[len(c.forks)-1].id
	}
	c.undo(func() { c.remove(n.Name) })
	return nil
}

// RemoveNode takes a node away with its pods; a node that is not there is
// already away.
func (c *Cluster) RemoveNode(name string) {
	info := c.nodes[name]
	if info == nil {
		return
	}
	at := c.remove(name)
	c.undo(func() { c.insert(at, info) })
}

func (c *Cluster) insert(at int, info *framework.NodeInfo) {
	c.order = slices.Insert(c.order, at, info)
	c.nodes[info.Node().Name] = info
	for claim, n := range info.PVCRefCounts {
		c.claims[claim] += n
	}
	c.view = view{}
}

func (c *Cluster) remove(name string) (at int) {
	at = slices.Index(c.order, c.nodes[name])
	for claim, n := range c.nodes[name].PVCRefCounts {
		c.claims[claim] -= n
	}
	c.order = slices.Delete(c.order, at, at+1)
	delete(c.nodes, name)
	c.view = view{}
	return at
}

// AddPod places a pod on a node, whether it fits or not. The pod needs a UID.
func (c *Cluster) AddPod(pod *corev1.Pod, node string) error {
	info := c.own(node)
	if info == nil {
		return fmt.Errorf("place pod %s/%s: no node %s", pod.Namespace, pod.Name, node)
	}
	// An affinity term that does not parse is the API server's mistake; the
	// scheduler places such a pod too.
	pi, _ := framework.NewPodInfo(pod)
	info.AddPodInfo(pi)
	c.changed(pod, 1)
	c.undo(func() { c.changed(pod, -1) })
	return nil
}

// RemovePod takes a pod off a node.
func (c *Cluster) RemovePod(pod *corev1.Pod, node string) error {
	info := c.own(node)
	if info == nil {
		return fmt.Errorf("take pod %s/%s: no node %s", pod.Namespace, pod.Name, node)
	}
	if err := info.RemovePod(klog.Background(), pod); err != nil {
		return fmt.Errorf("take pod %s/%s off node %s: %w", pod.Namespace, pod.Name, node, err)
	}
	c.changed(pod, -1)
	c.undo(func() { c.changed(pod, 1) })
	return nil
}

// changed keeps what is counted over all nodes right when a pod came or went.
func (c *Cluster) changed(pod *corev1.Pod, n int) {
	c.claim(pod, n)
	c.view = c.view.without(pod)
}

// Node is the node as it was added, nil if there is none of that name.
func (c *Cluster) Node(name string) *corev1.Node {
	if info := c.nodes[name]; info != nil {
		return info.Node()
	}
	return nil
}

// Pods are those placed on a node, in no order worth relying on.
func (c *Cluster) Pods(node string) []*corev1.Pod {
	info := c.nodes[node]
	if info == nil {
		return nil
	}
	out := make([]*corev1.Pod, 0, len(info.Pods))
	for _, p := range info.Pods {
		out = append(out, p.GetPod())
	}
	return out
}
