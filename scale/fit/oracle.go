package fit

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"

	"github.com/tidemill/tidemill/internal/world"
)

// Oracle is the scheduler itself, as far as it filters: its NodeInfo structures
// and all of its PreFilter and Filter plugins, asked afresh each time. It is
// slow, it remembers nothing, and it is what [Cluster] is held against. It is not
// safe for concurrent use.
type Oracle struct {
	plugins plugins
	devices devicePlugin
	bureau  *bureau
	claims  map[string]int // namespace/name of a PVC to the placed pods that use it
	order   []*framework.NodeInfo
	nodes   map[string]*framework.NodeInfo
}

// NewOracle makes an Oracle without nodes that knows the snapshot's namespaces
// and storage objects.
func NewOracle(s *world.Snapshot) (*Oracle, error) {
	b, err := newBureau(s)
	if err != nil {
		return nil, fmt.Errorf("set up the scheduler's books of devices: %w", err)
	}
	o := &Oracle{bureau: b, claims: map[string]int{}, nodes: map[string]*framework.NodeInfo{}}
	p, err := newPlugins(o, s)
	if err != nil {
		return nil, fmt.Errorf("set up the scheduler's plugins: %w", err)
	}
	o.plugins, o.devices = p, sortOut(p).devices
	return o, nil
}

// AddNode adds a node without pods; a second one of its name is an error.
func (o *Oracle) AddNode(n *corev1.Node) error {
	if o.nodes[n.Name] != nil {
		return fmt.Errorf("add node %s: there is one of that name", n.Name)
	}
	info := framework.NewNodeInfo()
	info.SetNode(n)
	o.order, o.nodes[n.Name] = append(o.order, info), info
	return nil
}

// AddPod places a pod on a node, whether it fits or not, and gives it the devices
// that it asks for if they are there.
func (o *Oracle) AddPod(pod *corev1.Pod, node string) error {
	if err := o.AddBound(pod, node); err != nil {
		return err
	}
	return o.bureau.bind(o.devices, pod, o.nodes[node])
}

// AddBound is AddPod for a pod that has what it has: the snapshot's claims show it.
func (o *Oracle) AddBound(pod *corev1.Pod, node string) error {
	info := o.nodes[node]
	if info == nil {
		return fmt.Errorf("place pod %s/%s: no node %s", pod.Namespace, pod.Name, node)
	}
	// An affinity term that does not parse is the API server's mistake; the
	// scheduler places such a pod too.
	pi, _ := framework.NewPodInfo(pod)
	info.AddPodInfo(pi)
	for _, claim := range claimsOf(pod) {
		o.claims[claim]++
	}
	return nil
}

// AddSlices shows devices that a node publishes beside those of the snapshot.
func (o *Oracle) AddSlices(list []*resourcev1.ResourceSlice) error {
	for _, x := range list {
		if err := o.bureau.slices.Add(x); err != nil {
			return fmt.Errorf("add slice %s: %w", x.Name, err)
		}
	}
	return nil
}

// Fits says whether the scheduler would let pod onto node as the cluster is
// now, and the first reason when not.
func (o *Oracle) Fits(pod *corev1.Pod, node string) (Reason, bool) {
	info := o.nodes[node]
	if info == nil {
		return Reason{Message: "no such node"}, false
	}
	pod = o.bureau.know(pod)
	nodes, _ := lister{o}.List()
	state, skip := framework.NewCycleState(), sets.New[string]()
	var only *fwk.PreFilterResult // the nodes that are left, nil for all
	for _, p := range o.plugins.pre {
		result, status := p.PreFilter(context.Background(), state, pod, nodes)
		switch {
		case status.IsSkip():
			skip.Insert(p.Name())
		case !status.IsSuccess():
			return Reason{p.Name(), status.Message()}, false
		case !result.AllNodes():
			only = only.Merge(result)
		}
	}
	if !only.AllNodes() && !only.NodeNames.Has(node) {
		return Reason{names.NodeAffinity, notSelected}, false
	}
	state.SetSkipFilterPlugins(skip)
	for _, p := range o.plugins.filter {
		if skip.Has(p.Name()) {
			continue
		}
		if status := p.Filter(context.Background(), state, pod, info); !status.IsSuccess() {
			return Reason{p.Name(), status.Message()}, false
		}
	}
	return Reason{}, true
}
