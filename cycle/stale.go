package cycle

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// drift says in which field of its release a node differs from what the pool
// gives new ones, "" if in none that is known.
func drift(n *world.Node, want cloudprovider.Release) string {
	var out []string
	for _, x := range releaseDrift(n, want) {
		out = append(out, x.message)
	}
	return strings.Join(out, ", ")
}

// imageName is an image as people know it, if the cloud tells.
func imageName(r cloudprovider.Release) string {
	if r.ImageName != "" {
		return r.ImageName
	}
	return r.Image
}

// drifted is the number of machines that do not run the pool's release.
func drifted(p *world.Pool) int {
	count := 0
	for _, n := range p.Nodes {
		if machine(n) && n.Instance.State != cloudprovider.Deleting && drift(n, p.Cloud.Release) != "" {
			count++
		}
	}
	return count
}

// machine is whether there is a machine at all.
func machine(n *world.Node) bool {
	return n.Instance != nil && n.Instance.State != cloudprovider.Failed
}

// stale is a node that the run has to replace, and why.
type stale struct {
	*world.Node
	reason  Reason
	message string
	doctor  bool
	request bool
	action  kube.RepairAction // of a request of the doctor's
}

// staleNodes are the nodes that the run still has to replace, those included
// that are on their way out.
func (d *decision) staleNodes(w wanted, run *v1alpha1.CycleStatus, aborted bool) []stale {
	var out []stale
	for _, n := range d.pool.Nodes {
		if n.Instance != nil && n.Instance.State == cloudprovider.Failed || n.Instance == nil && n.Mark == nil || vanished(n) {
			continue
		}
		// A run that ends begins nothing; a request on a node has a run of its own
		// afterwards.
		if value, ok := w.nodes[n]; ok && !(aborted && (single(run) || n.Mark == nil)) {
			r, doctor, _ := kube.ParseRepairRequest(value)
			out = append(out, stale{Node: n, reason: Requested, request: true, doctor: doctor, action: r.Action,
				message: fmt.Sprintf("asked for on the node: %s=%s", v1alpha1.AnnotationCycle, value)})
			continue
		}
		if aborted {
			continue
		}
		if message := d.outdated(n, run); message != "" {
			out = append(out, stale{Node: n, reason: Outdated, message: message})
		}
	}
	return out
}

// outdated says why the pool's request wants the node replaced, "" if it does
// not. What was born after the run began is not replaced by it, whatever its fields say,
// unless the pool has been given something else since (see began): otherwise a field that
// never comes out equal would turn the pool over for ever. A node that got a new boot
// volume in the run is done when it runs the pool's release; see inVain.
func (d *decision) outdated(n *world.Node, run *v1alpha1.CycleStatus) string {
	created := n.Created()
	if created.IsZero() || !created.Before(began(run)) {
		return ""
	}
	differs := drift(n, d.wants(run))
	if broughtBack(n, run) {
		return differs
	}
	switch key, _, _ := strings.Cut(run.Request, "="); key {
	case v1alpha1.AnnotationUpgradeTo, v1alpha1.AnnotationRollback:
		return differs
	case strings.TrimSuffix(driftRequest, "="):
		return d.drift(n)
	case v1alpha1.AnnotationCycle:
		if !created.Before(run.StartedAt.Time) {
			return differs
		}
		age := fmt.Sprintf("created %s → after %s", created.UTC().Format(time.RFC3339), run.StartedAt.UTC().Format(time.RFC3339))
		if differs == "" {
			return age
		}
		return differs + ", " + age
	}
	return ""
}

// broken is whether the node is of no use to anybody, so that taking it costs
// nothing: it was fine and is not Ready, its machine has stopped, or the doctor
// has found a problem.
func broken(n *world.Node) bool {
	if n.Mark != nil && n.Mark.Acted != nil {
		return false // it was restarted on purpose
	}
	switch n.Stage() {
	case world.StageBroken:
		return true
	case world.StageLost:
		// What the cloud says of a machine that has just come back is older than that its
		// kubelet does; one that has stopped is not Ready in less than a minute.
		return n.Instance != nil && !n.Ready()
	}
	c := n.Condition(v1alpha1.NodeConditionProblem)
	return c != nil && c.Status == corev1.ConditionTrue && !recovered(n, c)
}

// recovered is whether the node became Ready after the verdict that condemned it
// was last confirmed, or in the same second. After an outage that was none of the
// nodes' own, all of a zone's are in this state for a while, and to take them then
// would make a shortfall last that is about to end. The doctor's own request says
// that it knows better.
func recovered(n *world.Node, verdict *corev1.NodeCondition) bool {
	if _, asked, _ := kube.ParseRepairRequest(n.Object.Annotations[v1alpha1.AnnotationCycle]); asked {
		return false
	}
	confirmed := verdict.LastHeartbeatTime.Time
	if verdict.LastTransitionTime.After(confirmed) {
		confirmed = verdict.LastTransitionTime.Time
	}
	ready := n.Condition(corev1.NodeReady)
	return ready != nil && ready.Status == corev1.ConditionTrue && !confirmed.IsZero() && !n.ReadySince().Before(confirmed)
}

// reexamined is the time in which the doctor takes back a verdict, or a request, that
// holds no more.
const reexamined = time.Minute

// doubted is whether a node that is Ready is condemned by a doctor of whom we do not
// know that he has looked since. Who led before may have died before the node recovered,
// and since when it is Ready tells its kubelet, by a clock that may be behind. So a
// process that has just begun does not take such a node for one that costs nothing, nor
// for a repair: what it finds asked for is as old as the verdict, and our own doctor
// looks a moment later than we do.
func doubted(n *world.Node, now time.Time) bool {
	return n.Ready() && n.Watched(now) < reexamined
}

const lookFirst = "the node is Ready, and may be well again: the doctor has not looked at it since this process began"
