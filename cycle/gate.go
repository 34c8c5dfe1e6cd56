package cycle

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// GateKey names a gate of a pool.
type GateKey struct{ Pool, Gate string }

// GateAnswer is what a server said of a gate, and when it was asked.
type GateAnswer struct {
	Open    bool
	Message string
	At      time.Time
}

// gateAge is the age at which an answer counts no more: a server that does not
// answer is no permission.
const gateAge = time.Minute

// gates is the first gate that is not open; nil if all are. Gates that servers
// answer are values with an age here: who asks them is the loop.
func (d *decision) gates(run *v1alpha1.CycleStatus, spec *v1alpha1.CycleSpec, canaryDone bool) *Wait {
	for _, g := range spec.Gates {
		if g.AfterCanary && !canaryDone {
			continue
		}
		if message := d.gate(run, g); message != "" {
			return &Wait{GateClosed, fmt.Sprintf("gate %s is closed: %s", g.Name, message)}
		}
	}
	return nil
}

// gate says why a gate is closed, "" if it is open.
func (d *decision) gate(run *v1alpha1.CycleStatus, g v1alpha1.CycleGate) string {
	switch {
	case g.Approval != nil:
		token := clock(&run.StartedAt.Time)
		if d.annotation(v1alpha1.AnnotationApprove) == token {
			return ""
		}
		return fmt.Sprintf("nobody has approved yet: kubectl annotate pool %s --overwrite %s=%s", d.pool.Name, v1alpha1.AnnotationApprove, token)
	case g.Pods != nil:
		return d.blockingPod(g.Pods)
	case g.Doctor != nil:
		return d.illAmongNew(run)
	}
	a, asked := d.policy.Gates[GateKey{d.pool.Name, g.Name}]
	switch {
	case !asked:
		return "it has not been asked yet"
	case d.s.Now.Sub(a.At) > gateAge:
		return fmt.Sprintf("the last answer is %s old: %s", d.s.Now.Sub(a.At).Round(time.Second), a.Message)
	case !a.Open:
		return a.Message
	}
	return ""
}

// illAmongNew names a node that the run has made or renewed and that is broken, and
// what the doctor says of it; "" if there is none.
func (d *decision) illAmongNew(run *v1alpha1.CycleStatus) string {
	for _, n := range d.pool.Nodes {
		if n.Object == nil || goingAway(n) || !d.born(n, run) && !broughtBack(n, run) || !broken(n) {
			continue
		}
		if c := n.Condition(v1alpha1.NodeConditionProblem); c != nil && c.Status == corev1.ConditionTrue {
			return fmt.Sprintf("the doctor has found something on new node %s: %s: %s", n.Name(), c.Reason, c.Message)
		}
		return fmt.Sprintf("new node %s is not well (%s)", n.Name(), n.Stage())
	}
	return ""
}

// blockingPod names a pod that must not be there, "" if there is none.
func (d *decision) blockingPod(g *v1alpha1.PodsGate) string {
	selector, err := metav1.LabelSelectorAsSelector(&g.Selector)
	if err != nil {
		return "its selector cannot be read: " + err.Error()
	}
	matches := func(p *corev1.Pod) bool {
		over := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		return !over && (g.Namespace == "" || p.Namespace == g.Namespace) && selector.Matches(labels.Set(p.Labels))
	}
	look := func(pods []*corev1.Pod) string {
		for _, p := range pods {
			if matches(p) {
				return fmt.Sprintf("pod %s/%s is there (%s)", p.Namespace, p.Name, p.Status.Phase)
			}
		}
		return ""
	}
	found := look(d.s.Pending)
	groups := [][]*world.Node{d.s.Unmanaged}
	for _, p := range d.s.Pools {
		groups = append(groups, p.Nodes)
	}
	for _, nodes := range groups {
		for _, n := range nodes {
			if found == "" {
				found = look(n.Pods)
			}
		}
	}
	return found
}
