package fit

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
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
	forks   []int    // lengths of the journal at each open Fork

	classes map[*corev1.Pod]string
	memo    map[memoKey]memoAnswer
}

// New makes a Cluster without nodes that knows the snapshot's namespaces and
// storage objects. Which nodes there are, and with which pods, is the caller's
// to say.
func New(s *world.Snapshot) (*Cluster, error) {
	c := &Cluster{
		claims:  map[string]int{},
		nodes:   map[string]*framework.NodeInfo{},
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
func (c *Cluster) Fork() { c.forks = append(c.forks, len(c.journal)) }

// Commit ends the innermost fork and keeps what was done.
func (c *Cluster) Commit() {
	c.forks = c.forks[:len(c.forks)-1]
	if len(c.forks) == 0 {
		c.journal = c.journal[:0]
	}
}

// Revert ends the innermost fork and undoes what was done, last change first.
func (c *Cluster) Revert() {
	mark := c.forks[len(c.forks)-1]
	undo := c.journal[mark:]
	c.forks = c.forks[:len(c.forks)-1]
	c.journal = c.journal[:mark]
	forks := c.forks
	c.forks = nil // an undo is no change to be undone
	for i := len(undo) - 1; i >= 0; i-- {
		undo[i]()
	}
	c.forks = forks
}

func (c *Cluster) undo(f func()) {
	if len(c.forks) > 0 {
		c.journal = append(c.journal, f)
	}
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
	c.order = append(c.order, nil)
	copy(c.order[at+1:], c.order[at:])
	c.order[at] = info
	c.nodes[info.Node().Name] = info
	for claim, n := range info.PVCRefCounts {
		c.claims[claim] += n
	}
	c.view = view{}
}

func (c *Cluster) remove(name string) (at int) {
	for i, info := range c.order {
		if info.Node().Name == name {
			at = i
		}
	}
	for claim, n := range c.nodes[name].PVCRefCounts {
		c.claims[claim] -= n
	}
	c.order = append(c.order[:at], c.order[at+1:]...)
	delete(c.nodes, name)
	c.view = view{}
	return at
}

// AddPod places a pod on a node, whether it fits or not. The pod needs a UID.
func (c *Cluster) AddPod(pod *corev1.Pod, node string) error {
	info := c.nodes[node]
	if info == nil {
		return fmt.Errorf("place pod %s/%s: no node %s", pod.Namespace, pod.Name, node)
	}
	// An affinity term that does not parse is the API server's mistake; the
	// scheduler places such a pod too.
	pi, _ := framework.NewPodInfo(pod)
	c.place(info, pi)
	c.undo(func() { c.take(info, pod) })
	return nil
}

// RemovePod takes a pod off a node.
func (c *Cluster) RemovePod(pod *corev1.Pod, node string) error {
	info := c.nodes[node]
	if info == nil {
		return fmt.Errorf("take pod %s/%s: no node %s", pod.Namespace, pod.Name, node)
	}
	if err := c.take(info, pod); err != nil {
		return fmt.Errorf("take pod %s/%s off node %s: %w", pod.Namespace, pod.Name, node, err)
	}
	pi, _ := framework.NewPodInfo(pod)
	c.undo(func() { c.place(info, pi) })
	return nil
}

func (c *Cluster) place(info *framework.NodeInfo, pi fwk.PodInfo) {
	info.AddPodInfo(pi)
	c.claim(pi.GetPod(), 1)
	c.view = c.view.without(pi.GetPod())
}

func (c *Cluster) take(info *framework.NodeInfo, pod *corev1.Pod) error {
	if err := info.RemovePod(klog.Background(), pod); err != nil {
		return err
	}
	c.claim(pod, -1)
	c.view = c.view.without(pod)
	return nil
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
