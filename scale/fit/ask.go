package fit

import (
	"context"
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// Reason is why a pod does not fit a node: the plugin that refused, and what it
// said, in the scheduler's words.
type Reason struct {
	Plugin  string `json:"plugin"`
	Message string `json:"message"`
}

// String is "NodeResourcesFit: Insufficient cpu".
func (r Reason) String() string {
	if r.Plugin == "" {
		return r.Message
	}
	return r.Plugin + ": " + r.Message
}

// Reasons counts nodes by why the pod does not fit them.
type Reasons map[Reason]int

// String lists the reasons, the commonest first, as the scheduler's event does.
func (r Reasons) String() string {
	list := make([]string, 0, len(r))
	for why, n := range r {
		list = append(list, fmt.Sprintf("%d %s", n, why))
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := leading(list[i]), leading(list[j])
		return a > b || a == b && list[i] < list[j]
	})
	return strings.Join(list, ", ")
}

func leading(s string) (n int) {
	fmt.Sscan(s, &n)
	return n
}

// Unsupported says why a pod cannot be judged here at all, "" when it can.
func Unsupported(pod *corev1.Pod) string {
	if len(pod.Spec.ResourceClaims) > 0 {
		return "the pod uses resource claims, which are not simulated"
	}
	return ""
}

// question is a pod with what PreFilter found out about it. It holds for one
// state of the cluster.
type question struct {
	c        *Cluster
	pod      *corev1.Pod
	state    fwk.CycleState
	skip     sets.Set[string]
	only     *fwk.PreFilterResult // the nodes that are left, nil for all
	rejected *Reason              // by PreFilter: no node will do
	class    string               // "" when the answer depends on more than the node
}

// ask runs PreFilter.
func (c *Cluster) ask(pod *corev1.Pod) *question {
	q := &question{c: c, pod: pod, state: framework.NewCycleState(), skip: sets.New[string]()}
	nodes, _ := lister{c}.List()
	for _, p := range c.plugins.pre {
		result, status := p.PreFilter(context.Background(), q.state, pod, nodes)
		switch {
		case status.IsSkip():
			q.skip.Insert(p.Name())
		case !status.IsSuccess():
			q.rejected = &Reason{p.Name(), status.Message()}
			return q
		case !result.AllNodes():
			q.only = q.only.Merge(result)
		}
	}
	q.state.SetSkipFilterPlugins(q.skip)
	if q.skip.HasAll(names.PodTopologySpread, names.InterPodAffinity, names.VolumeRestrictions,
		names.NodeVolumeLimits, names.VolumeBinding, names.VolumeZone) {
		q.class = c.classOf(pod)
	}
	return q
}

// fits runs Filter on one node.
func (q *question) fits(node string) (Reason, bool) {
	info := q.c.nodes[node]
	switch {
	case info == nil:
		return Reason{Message: "no such node"}, false
	case q.rejected != nil:
		return *q.rejected, false
	case !q.only.AllNodes() && !q.only.NodeNames.Has(node):
		return Reason{names.NodeAffinity, "node(s) didn't match Pod's node affinity/selector"}, false
	}
	key := memoKey{q.class, node}
	if m, ok := q.c.memo[key]; ok && q.class != "" && m.generation == info.Generation {
		return m.reason, false
	}
	for _, p := range q.c.plugins.filter {
		if q.skip.Has(p.Name()) {
			continue
		}
		if status := p.Filter(context.Background(), q.state, q.pod, info); !status.IsSuccess() {
			why := Reason{p.Name(), status.Message()}
			if q.class != "" {
				q.c.memo[key] = memoAnswer{info.Generation, why}
			}
			return why, false
		}
	}
	return Reason{}, true
}

// Fits says whether the scheduler would let pod onto node as the cluster is
// now, and the first reason when not.
func (c *Cluster) Fits(pod *corev1.Pod, node string) (Reason, bool) { return c.ask(pod).fits(node) }

// Schedule places pod on the first of the nodes that it fits and returns that
// node; "" and the reasons when there is none. Nodes that are not there are
// passed over.
func (c *Cluster) Schedule(pod *corev1.Pod, among []string) (string, Reasons) {
	q := c.ask(pod)
	why := Reasons{}
	for _, node := range among {
		if c.nodes[node] == nil {
			continue
		}
		reason, ok := q.fits(node)
		if !ok {
			why[reason]++
			continue
		}
		if err := c.AddPod(pod, node); err != nil {
			why[Reason{Message: err.Error()}]++
			continue
		}
		return node, nil
	}
	return "", why
}
