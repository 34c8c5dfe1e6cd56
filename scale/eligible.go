package scale

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// outOfQuestion is why a node is not even looked at. With unknown set, that
// says nothing about whether it is needed, and its timer stands.
func (s *shrinking) outOfQuestion(p *pool, n *world.Node, bad Reason) (why Reason, message string, unknown bool) {
	protected, malformed := world.DoNotDisrupt(n.Object.Annotations, n.Registered(), s.s.Now)
	stage := n.Stage()
	switch {
	case p.spec.Down != nil && p.spec.Down.Disabled:
		return ScaleDownOff, "", false
	case s.s.CloudErr != nil:
		return CloudUnavailable, s.s.CloudErr.Error(), true
	case p.Cloud.Health.Err != nil:
		return CloudUnavailable, p.Cloud.Health.Err.Error(), true
	case p.Run() != nil:
		return PoolCycling, "", true
	case p.Paused():
		return PoolPaused, "", true
	case n.MarkErr != nil:
		return Disrupted, n.MarkErr.Error(), true
	case n.Mark != nil:
		return Disrupted, fmt.Sprintf("by %s, %s", n.Mark.Cause, n.Mark.Reason), true
	case stage != world.StageAvailable && bad == "":
		return NotAvailable, "it is " + stage.String(), false
	case n.Object.Annotations[v1alpha1.AnnotationScaleDownDisabled] == "true":
		return ScaleDownDisabled, "", false
	case malformed:
		return DoNotDisrupt, fmt.Sprintf("its annotation %q is neither true nor a duration", n.Object.Annotations[v1alpha1.AnnotationDoNotDisrupt]), false
	case protected:
		return DoNotDisrupt, "", false
	case bad == "" && s.young(n):
		return Young, "its pods may still be on their way", false
	}
	return "", "", false
}

// young is whether the node's pods may still be on their way.
func (s *shrinking) young(n *world.Node) bool {
	since := n.Registered()
	if at := n.ReadySince(); at.After(since) {
		since = at
	}
	return s.s.Now.Sub(since) < s.p.YoungNode
}

// unneededSince reads the node's timer; what cannot be read begins anew.
func unneededSince(n *world.Node) time.Time {
	text := n.Object.Annotations[v1alpha1.AnnotationUnneededSince]
	if text == "" {
		return time.Time{} // most nodes, at every look
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// utilization is the largest share of the node's CPU, memory and accelerators
// that pods ask for, those of DaemonSets and what is overdue not counted.
func utilization(n *corev1.Node, pods []*corev1.Pod, now time.Time) float64 {
	u := newUsage()
	var counted []*corev1.Pod
	for _, pod := range pods {
		if !mirror(pod) && !ofDaemonSet(pod) && !overdue(pod, now) {
			counted = append(counted, pod)
		}
	}
	u.add(n, counted)
	used := max(u.share(corev1.ResourceCPU), u.share(corev1.ResourceMemory))
	for name, have := range u.have {
		if gpu(name) && have > 0 {
			used = max(used, u.share(name))
		}
	}
	return used
}

// How long a node may be down before it is let go like one that is idle: the
// pods it had are elsewhere by then, and the pool pays for it. It is
// cluster-autoscaler's unready time.
const unreadyFor = 20 * time.Minute

// bad is why a node is of no use to anybody, and since when: it has been down
// for long, or has never come up. Where the doctor repairs the pool it is the
// doctor's to replace.
func (s *shrinking) bad(p *pool, n *world.Node) (Reason, time.Time) {
	if p.RepairSpec() != nil || p.Run() != nil {
		return "", time.Time{}
	}
	switch n.Stage() {
	case world.StageBroken:
		if at := n.ReadySince(); !at.IsZero() && s.s.Now.Sub(at) >= unreadyFor {
			return Unready, at
		}
	case world.StageJoining:
		if s.late(n) && n.Watched(s.s.Now) > s.p.JoinTimeout {
			return NeverReady, n.Created()
		}
	}
	return "", time.Time{}
}
