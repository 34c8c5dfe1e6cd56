package cycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/world"
)

// Drains that go on at the same time may wait for each other for ever:
//
//	node A ── its pod a may not leave: budget p lacks pod x ──► x could only run on B
//	   ▲                                                                 │ cordoned
//	   └── y could only run on A ◄── budget q lacks pod y: its pod b may not leave
//
// Nothing but the cordons is in the way. The youngest drain of such a ring gives
// way: its node is uncordoned, what waits for it runs, and the others go on. A
// node that waits for itself alone is no ring; its timeout deals with it.

// deadlockGrace is how long the scheduler has to find another place first.
const deadlockGrace = 20 * time.Second

// draining is a node in the wait-for graph.
type draining struct {
	node *world.Node
	// waits are the nodes it waits for, and which pod of which budget is why.
	waits map[*draining]string
}

// deadlocks are the nodes whose drains have to give way, by UID, with the ring in
// words. It is pure; what blocks a pod it takes from the last step's progress.
func deadlocks(s *world.Snapshot, drains map[types.UID]drain.Progress) map[types.UID]string {
	nodes := inDrain(s)
	if len(nodes) < 2 {
		return nil
	}
	for _, a := range nodes {
		for _, block := range drains[a.node.Object.UID].Blocked {
			if p := budgetNamed(s.PDBs, block.PDB); p != nil {
				a.waitFor(p, s, nodes)
			}
		}
	}
	out := map[types.UID]string{}
	for _, n := range nodes {
		ring := n.ring()
		if len(ring) == 0 {
			continue
		}
		youngest := slices.MaxFunc(ring, func(a, b *draining) int { return a.node.Mark.DrainStarted.Compare(*b.node.Mark.DrainStarted) })
		out[youngest.node.Object.UID] = inWords(ring)
		break // one a tick: it may undo more rings than one
	}
	return out
}

// inDrain are the nodes that tidemill empties and has cordoned, by age and name.
func inDrain(s *world.Snapshot) []*draining {
	var out []*draining
	for _, p := range s.Pools {
		for _, n := range p.Nodes {
			if n.Object != nil && emptying(n) && n.Mark.DrainStarted != nil && n.Mark.Cordoned {
				out = append(out, &draining{node: n, waits: map[*draining]string{}})
			}
		}
	}
	return out
}

// waitFor draws the edges to the nodes that alone could take a pod that the
// budget lacks.
func (a *draining) waitFor(p *policyv1.PodDisruptionBudget, s *world.Snapshot, nodes []*draining) {
	for _, pod := range s.Pending {
		if !drain.Selects(p, pod) || !unplaced(pod, s.Theirs()) {
			continue
		}
		for _, b := range nodes {
			if b != a && couldRun(pod, b.node.Object, s) {
				a.waits[b] = fmt.Sprintf("node %s waits for pod %s/%s of PodDisruptionBudget %s/%s, which could run on node %s",
					a.node.Name(), pod.Namespace, pod.Name, p.Namespace, p.Name, b.node.Name())
			}
		}
	}
}

// unplaced is whether the scheduler has had its time and found nothing.
func unplaced(pod *corev1.Pod, now time.Time) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable && now.Sub(c.LastTransitionTime.Time) >= deadlockGrace
		}
	}
	return false
}

// couldRun is whether nothing that the pod itself says keeps it from the node, so
// that the cordon may be all that does.
func couldRun(pod *corev1.Pod, node *corev1.Node, s *world.Snapshot) bool {
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node); err != nil || !ok {
		return false
	}
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		if pv := volumeOf(s, pod.Namespace, v.PersistentVolumeClaim.ClaimName); pv != nil && pv.Spec.NodeAffinity != nil && pv.Spec.NodeAffinity.Required != nil {
			selector, err := nodeaffinity.NewNodeSelector(pv.Spec.NodeAffinity.Required)
			if err != nil || !selector.Match(node) {
				return false
			}
		}
	}
	return true
}

func volumeOf(s *world.Snapshot, namespace, claim string) *corev1.PersistentVolume {
	for _, c := range s.PVCs {
		if c.Namespace != namespace || c.Name != claim || c.Spec.VolumeName == "" {
			continue
		}
		for _, pv := range s.PVs {
			if pv.Name == c.Spec.VolumeName {
				return pv
			}
		}
	}
	return nil
}

func budgetNamed(list []*policyv1.PodDisruptionBudget, name string) *policyv1.PodDisruptionBudget {
	for _, b := range list {
		if b.Namespace+"/"+b.Name == name {
			return b
		}
	}
	return nil
}

// ring is a way from the node back to itself, nil if there is none.
func (a *draining) ring() []*draining {
	seen := map[*draining]bool{}
	var walk func(at *draining, way []*draining) []*draining
	walk = func(at *draining, way []*draining) []*draining {
		for _, next := range at.inOrder() {
			if next == a {
				return way
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if found := walk(next, append(slices.Clone(way), next)); found != nil {
				return found
			}
		}
		return nil
	}
	return walk(a, []*draining{a})
}

// inOrder are the nodes waited for, by name.
func (a *draining) inOrder() []*draining {
	var out []*draining
	for b := range a.waits {
		out = append(out, b)
	}
	slices.SortFunc(out, func(x, y *draining) int { return strings.Compare(x.node.Name(), y.node.Name()) })
	return out
}

func inWords(ring []*draining) string {
	var parts []string
	for i, a := range ring {
		parts = append(parts, a.waits[ring[(i+1)%len(ring)]])
	}
	return "drains wait for each other: " + strings.Join(parts, "; ")
}
