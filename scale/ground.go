package scale

import (
	"sort"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/fit"
	"github.com/tidemill/tidemill/scale/vacate"
)

// standing is a node there is, as scale-down sees it.
type standing struct {
	node *world.Node
	// object is the Node as it counts: one that was given back is schedulable.
	object *corev1.Node
	// pods take room there, those that this look has put there included.
	pods []*corev1.Pod
	// extra is how many of the pods this look has put there.
	extra int
	all   vacate.Amount // what the pods ask for
	used  float64       // see utilization
	busy  bool          // some of the pods would have to move
}

// layOut counts what stands: each node with its pods, and the
// destinations in order.
func (s *shrinking) layOut() {
	s.nodes = map[string]*standing{}
	s.ground = vacate.New(func() (vacate.Oracle, error) { return oracle{s.sim}, nil })
	placed := s.placed()
	for _, p := range s.pools {
		for _, n := range p.Nodes {
			if n.Object != nil {
				s.stand(n, placed)
			}
		}
	}
	for _, n := range s.s.Unmanaged {
		s.stand(n, placed)
	}
	for _, pod := range s.s.Pending {
		s.ground.Mind(pod)
	}
	s.ground.Place(s.destinations())
}

// placed are the pods that this look has put on nodes, by node.
func (s *shrinking) placed() map[string][]*corev1.Pod {
	out := map[string][]*corev1.Pod{}
	for i := range s.plan.Verdicts {
		v := &s.plan.Verdicts[i]
		switch {
		case v.Help == HelpExisting, v.Help == HelpKept, v.Help == HelpJoining:
			out[v.Where] = append(out[v.Where], v.pod)
		case v.Help == HelpNone && v.Reason == Preempting:
			out[v.pod.Status.NominatedNodeName] = append(out[v.pod.Status.NominatedNodeName], v.pod)
		}
	}
	return out
}

// stand counts a node.
func (s *shrinking) stand(n *world.Node, placed map[string][]*corev1.Pod) {
	name := n.Object.Name
	if s.nodes[name] != nil {
		return // a namesake: Kubernetes allows none
	}
	c := s.memo.crew(n.Pods).with(placed[name])
	x := &standing{node: n, object: n.Object, pods: c.live, extra: len(placed[name]), all: c.all, busy: c.busy}
	if s.kept[name] {
		x.object = grownUp(n.Object, nil)
	}
	x.used = vacate.Load(x.object, c.countedAt(s.s.Theirs()))
	if gpus(x.object.Status.Allocatable) {
		x.used = utilization(x.object, x.pods, s.s.Now)
	}
	x.used = max(x.used, s.sim.DeviceUse(name))
	s.nodes[name] = x
	s.ground.AddNode(x.object, c.shy, c.all)
}

// live are the pods that are not at their end; the first that is stands at from.
func live(pods []*corev1.Pod, from int) []*corev1.Pod {
	out := append([]*corev1.Pod(nil), pods[:from]...)
	for _, pod := range pods[from:] {
		if !terminal(pod) {
			out = append(out, pod)
		}
	}
	return out
}

// destinations are real, schedulable nodes that nobody has marked, the fullest
// first: pods moved there leave the idle nodes idle.
func (s *shrinking) destinations() []string {
	var to []string
	for _, name := range s.there {
		x := s.nodes[name]
		if x != nil && (s.kept[name] || x.node.Mark == nil && x.node.MarkErr == nil) {
			to = append(to, name)
		}
	}
	sort.SliceStable(to, func(i, j int) bool {
		a, b := s.nodes[to[i]].used, s.nodes[to[j]].used
		return a > b || a == b && to[i] < to[j]
	})
	return to
}

// oracle is the simulated cluster as vacate asks it: reasons are words there.
type oracle struct{ *fit.Cluster }

// Schedule implements vacate.Oracle.
func (o oracle) Schedule(pod *corev1.Pod, among []string) (string, string) {
	node, why := o.Cluster.Schedule(unbound(pod), among)
	return node, or(why.String(), "there is no other node")
}

// unbound is the pod as its controller will make it anew.
func unbound(pod *corev1.Pod) *corev1.Pod {
	c := *pod
	c.Spec.NodeName, c.Status = "", corev1.PodStatus{}
	return &c
}
