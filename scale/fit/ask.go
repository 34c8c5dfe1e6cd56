package fit

import (
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
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

// Fits says whether the scheduler would let pod onto node as the cluster is
// now, and the first reason when not.
func (c *Cluster) Fits(pod *corev1.Pod, node string) (Reason, bool) {
	n := c.nodes[node]
	if n == nil {
		return Reason{Message: "no such node"}, false
	}
	q := c.question(c.Class(pod), pod)
	return q.reason(n)
}

// Schedule places pod on the first of the nodes that it fits and returns that
// node; "" and the reasons when there is none. Nodes that are not there are
// passed over. For many pods or many nodes a [Row] is quicker.
func (c *Cluster) Schedule(pod *corev1.Pod, among []string) (string, Reasons) {
	q := c.question(c.Class(pod), pod)
	for _, name := range among {
		if n := c.nodes[name]; n != nil && q.fits(n) {
			c.put(n, q.class, []*corev1.Pod{pod})
			return name, nil
		}
	}
	why := Reasons{}
	for _, name := range among {
		if n := c.nodes[name]; n != nil {
			reason, _ := q.reason(n)
			why[reason]++
		}
	}
	return "", why
}
