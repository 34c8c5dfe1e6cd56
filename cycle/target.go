package cycle

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// defaultDwell is how long load balancers may go on sending traffic to a node
// that was taken from them: health checks and connections that are open.
const defaultDwell = time.Minute

// terms are how the pool's nodes are to be emptied.
func terms(p *world.Pool) drain.Terms {
	t := drain.Terms{Dwell: defaultDwell}
	spec := drainSpec(p)
	if spec == nil {
		return t
	}
	if d := spec.LoadBalancerDwell; d != nil {
		t.Dwell = d.Duration
	}
	if d := spec.WaitForJobs; d != nil {
		t.WaitForJobs = d.Duration
	}
	t.EvictDaemons = spec.DaemonSets == v1alpha1.DaemonSetsEvict
	return t
}

// drainSpec is what the user says of drains; it holds for repairs and for
// scale-down too.
func drainSpec(p *world.Pool) *v1alpha1.DrainSpec {
	if p == nil || p.Object == nil || p.Object.Spec.Cycle == nil {
		return nil
	}
	return p.Object.Spec.Cycle.Drain
}

// target is the node of a step as the drain needs to know it.
func (t *turn) target(n *world.Node, s Step) drain.Target {
	target := drain.Target{Node: n.Object, Pods: n.Pods, Cordoned: n.Mark.Since, Terms: terms(t.pools[s.Pool]), Around: around(t.snapshot)}
	target.Force = s.Force
	if at := n.Mark.DrainStarted; at != nil {
		target.Started = *at
	}
	if at := n.Mark.Excluded; at != nil && n.Ready() {
		target.Excluded = *at
	}
	target.Peers = t.leavingElsewhere(n)
	return target
}

// around is what of a snapshot a drain has to know.
func around(s *world.Snapshot) drain.Around {
	return drain.Around{DaemonSets: s.DaemonSets, PDBs: s.PDBs, PVCs: s.PVCs, PVs: s.PVs, Attachments: s.Attachments, Balancers: s.Balancers, Ahead: s.Ahead}
}

// leavingElsewhere are the pods that leave the other nodes being emptied.
func (t *turn) leavingElsewhere(n *world.Node) []*corev1.Pod {
	if t.leaving == nil {
		t.leaving = []*corev1.Pod{}
		for _, other := range t.nodes {
			if emptying(other) {
				for _, p := range other.Pods {
					if p.DeletionTimestamp != nil {
						t.leaving = append(t.leaving, p)
					}
				}
			}
		}
	}
	var out []*corev1.Pod
	for _, p := range t.leaving {
		if p.Spec.NodeName != n.Name() {
			out = append(out, p)
		}
	}
	return out
}

// begin writes on the Node, in one write and before the first eviction, that its
// drain has begun, and takes it from the load balancers if they send it traffic.
func begin(o *corev1.Node, m kube.Mark, traffic drain.Traffic, dwell time.Duration, now time.Time) {
	m.DrainStarted = &now
	if traffic >= drain.Passing && dwell > 0 && kube.Exclude(o) {
		m.Excluded = &now
	}
	kube.SetMark(o, m)
}
