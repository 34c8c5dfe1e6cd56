package fit

import (
	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodeports"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
)

// question is a class of pods with a Cluster to ask about it. It holds for one
// state of the cluster where volumes are in play, and for all states otherwise.
type question struct {
	c     *Cluster
	class *Class
	shelf *shelf // of volumes; nil when there are none to mind
	desk  *desk  // of devices, likewise
}

func (c *Cluster) question(cl *Class, pod *corev1.Pod) question {
	if !cl.ruled {
		c.rule(cl)
		c.settle()
	}
	q := question{c: c, class: cl}
	if cl.stored {
		q.shelf = c.shelf(pod)
	}
	if cl.devised {
		q.desk = c.desk(pod)
	}
	return q
}

// refusal is which rule a node fails by, in the scheduler's order.
type refusal int

const (
	refusalUnknown refusal = iota
	accepted
	byRejection
	byStatic
	byPorts
	byRoom
	byVolumes
	bySpreadLabel
	bySpread
	byHostSpread
	byAffinity
	byAnti
	byBar
	byDevices
	bySharedDevices
)

// lasting is whether a node that fails so fails still when pods have been added.
func (r refusal) lasting() bool {
	switch r {
	case bySpread, byHostSpread, byAffinity, byVolumes, bySharedDevices:
		return false
	}
	return true
}

func (q *question) fits(n *node) bool { return q.ask(n) == accepted }

// ask runs the rules on one node.
func (q *question) ask(n *node) refusal {
	cl := q.class
	switch {
	case q.rejects():
		return byRejection
	case q.c.static(cl.sel, n) != fine:
		return byStatic
	case len(cl.ports) > 0 && n.taken(cl.ports):
		return byPorts
	case n.times(cl.asks, 1) == 0:
		return byRoom
	}
	if q.shelf != nil {
		if !q.shelf.only.AllNodes() && !q.shelf.only.NodeNames.Has(n.name) {
			return byStatic
		}
		if _, ok := q.shelf.fits(n); !ok {
			return byVolumes
		}
	}
	if why := q.company(n); why != accepted || q.desk == nil {
		return why
	}
	_, _, ok := q.desk.fits(q.c, n)
	switch {
	case ok:
		return accepted
	case cl.shared:
		return bySharedDevices
	}
	return byDevices
}

// rejects is whether no node will do.
func (q *question) rejects() bool {
	return q.class.rejected != nil || q.shelf != nil && q.shelf.rejected != nil || q.desk != nil && q.desk.rejected != nil
}

// company runs the rules about other pods.
func (q *question) company(n *node) refusal {
	cl := q.class
	for i := range cl.spread {
		s := &cl.spread[i]
		d := n.domains[s.tally.key]
		if d == absent {
			return bySpreadLabel
		}
		if s.tally.at(d)+s.self-s.tally.least(s.domains) > s.most {
			if s == cl.hostwards {
				return byHostSpread
			}
			return bySpread
		}
	}
	if len(cl.affinity) > 0 && !q.together(n) {
		return byAffinity
	}
	for _, t := range cl.anti {
		if d := n.domains[t.key]; d != absent && t.at(d) > 0 {
			return byAnti
		}
	}
	for _, t := range cl.barred {
		if d := n.domains[t.key]; d != absent && t.at(d) > 0 {
			return byBar
		}
	}
	return accepted
}

// together is whether the pods that the class wants to be with are here, or are
// nowhere and it may be the first of them.
func (q *question) together(n *node) bool {
	here, total := true, 0
	for _, t := range q.class.affinity {
		d := n.domains[t.key]
		if d == absent {
			return false
		}
		here = here && t.at(d) > 0
		total += t.total
	}
	return here || total == 0 && q.class.alone
}

// taken is whether one of the ports is in use on the node.
func (n *node) taken(want []corev1.ContainerPort) bool {
	used := fwk.HostPortInfo{}
	for i := range n.pods {
		for _, p := range n.pods[i].class.ports {
			used.Add(p.HostIP, string(p.Protocol), p.HostPort)
		}
	}
	for _, p := range want {
		if used.CheckConflict(p.HostIP, string(p.Protocol), p.HostPort) {
			return true
		}
	}
	return false
}

// reason is the first thing the scheduler has against the node.
func (q *question) reason(n *node) (Reason, bool) {
	switch q.ask(n) {
	case accepted:
		return Reason{}, true
	case byRejection:
		return q.rejection(), false
	case byStatic:
		if why := q.c.static(q.class.sel, n); why != fine {
			return *why, false
		}
		return Reason{names.NodeAffinity, notSelected}, false
	case byPorts:
		return Reason{names.NodePorts, nodeports.ErrReason}, false
	case byRoom:
		return Reason{names.NodeResourcesFit, q.c.short(n, q.class.asks)}, false
	case byVolumes:
		return q.shelf.fits(n)
	case bySpreadLabel:
		return Reason{names.PodTopologySpread, podtopologyspread.ErrReasonNodeLabelNotMatch}, false
	case bySpread, byHostSpread:
		return Reason{names.PodTopologySpread, podtopologyspread.ErrReasonConstraintsNotMatch}, false
	case byAffinity:
		return Reason{names.InterPodAffinity, interpodaffinity.ErrReasonAffinityRulesNotMatch}, false
	case byAnti:
		return Reason{names.InterPodAffinity, interpodaffinity.ErrReasonAntiAffinityRulesNotMatch}, false
	case byDevices, bySharedDevices:
		_, why, ok := q.desk.fits(q.c, n)
		return why, ok
	}
	return Reason{names.InterPodAffinity, interpodaffinity.ErrReasonExistingAntiAffinityRulesNotMatch}, false
}

// rejection is why no node will do, in the order in which the plugins look.
func (q *question) rejection() Reason {
	if q.class.sel.rejected == nil && q.shelf != nil && q.shelf.rejected != nil {
		return *q.shelf.rejected
	}
	if q.class.rejected == nil {
		return *q.desk.rejected // the last to look
	}
	return *q.class.rejected
}
