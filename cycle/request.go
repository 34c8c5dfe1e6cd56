package cycle

import (
	"fmt"
	"regexp"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// Outcomes of a run, as status.lastCycle has them.
const (
	Succeeded = "Succeeded"
	Aborted   = world.Aborted
	Refused   = "Refused"
)

// wanted is what annotations ask of a pool.
type wanted struct {
	// request is the pool's own, "key=value"; "" when it asks for nothing new.
	request string
	// nodes are those with a request of their own that is honoured.
	nodes map[*world.Node]string
}

// requests reads the annotations, and refuses what cannot be met.
func (d *decision) requests() wanted {
	w := wanted{nodes: map[*world.Node]string{}}
	for _, n := range d.pool.Nodes {
		if value, ok := d.nodeRequest(n); ok {
			w.nodes[n] = value
		}
	}
	if request, pending := d.rollback(); request != "" || pending {
		w.request = request
		return w
	}
	if upgrade, ok := d.pool.Object.Annotations[v1alpha1.AnnotationUpgradeTo]; ok && !d.pool.Answered(v1alpha1.AnnotationUpgradeTo, upgrade) {
		ready, pending := d.upgrade(upgrade)
		if ready {
			w.request = v1alpha1.AnnotationUpgradeTo + "=" + upgrade
		}
		if ready || pending {
			return w
		}
	}
	if cycle, ok := d.pool.Object.Annotations[v1alpha1.AnnotationCycle]; ok && !d.pool.Answered(v1alpha1.AnnotationCycle, cycle) {
		w.request = d.checked(v1alpha1.AnnotationCycle + "=" + cycle)
	}
	if w.request == "" {
		w.request = d.drifting()
	}
	return w
}

// nodeRequest is the value of a node's own request, if it is honoured.
func (d *decision) nodeRequest(n *world.Node) (string, bool) {
	if n.Object == nil {
		return "", false
	}
	value, ok := n.Object.Annotations[v1alpha1.AnnotationCycle]
	if !ok {
		return "", false
	}
	if d.pool.Aborted(n) {
		d.block(n, RequestAborted, "its run was aborted by annotation "+v1alpha1.AnnotationAbort+" of the pool; another value on the node asks anew")
		return "", false
	}
	if _, asked, err := kube.ParseRepairRequest(value); err != nil {
		d.block(n, BadAnnotation, err.Error())
		return "", false
	} else if !asked {
		if d.pool.CycleSpec() == nil {
			d.block(n, CyclingOff, d.cyclingOff())
			return "", false
		}
		return value, true
	}
	if r := d.pool.RepairSpec(); r == nil || r.Mode != v1alpha1.RepairOn {
		d.block(n, RepairOff, "repair is off for this pool: set spec.repair.mode to On")
		return "", false
	}
	return value, true
}

// cyclingOff is why a pool without a spec is not turned over.
func (d *decision) cyclingOff() string {
	if d.pool.Cloud.Virtual {
		return "the node pool is a virtual one: it has no machines that could be renewed"
	}
	return "cycling is off for this pool: set spec.cycle.mode"
}

// checked is the request if the pool's spec allows it at all, "" otherwise.
func (d *decision) checked(request string) string {
	if d.pool.CycleSpec() == nil {
		d.refuse(request, CyclingOff, d.cyclingOff())
		return ""
	}
	// By the size that the pool is to have: a run under way may have let it fall.
	b, err := BudgetOf(d.pool.CycleSpec(), d.pool.Desired(), len(d.pool.Cloud.Zones()))
	b = b.For(strategyOf(d.pool.CycleSpec(), nil))
	if err != nil {
		d.refuse(request, BadAnnotation, err.Error())
		return ""
	}
	if _, _, err := windowsAt(d.pool.CycleSpec().Windows, d.s.Now); err != nil {
		d.refuse(request, BadWindow, err.Error())
		return ""
	}
	if b.Surge == 0 && b.Unavailable == 0 && b.Desired > 0 { // an empty pool has nothing to replace
		d.refuse(request, BudgetZero, fmt.Sprintf(
			"maxSurge and maxUnavailable both come to 0 at a size of %d: raise one of them, nothing could ever be replaced", b.Desired))
		return ""
	}
	return request
}

// refuse answers a request once: the record keeps it from being looked at again.
func (d *decision) refuse(request string, r Reason, message string) {
	d.report.Refused = &Wait{r, message}
	d.endRecord(request, Refused, message)
	d.do(Step{Kind: RefuseRequest, Request: request, Reason: r, Message: message})
}

var versionShape = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$`)

// upgrade says of a version whether a run for it can be made, or is pending: a
// pool that does not have the release yet gets it first.
func (d *decision) upgrade(to string) (ready, pending bool) {
	request := v1alpha1.AnnotationUpgradeTo + "=" + to
	if !versionShape.MatchString(to) {
		d.refuse(request, BadAnnotation, fmt.Sprintf("annotation %s is %q, which is not a version such as v1.34.1", v1alpha1.AnnotationUpgradeTo, to))
		return false, false
	}
	if d.pool.Cloud.Release.Kubernetes == to {
		return (d.upgrading() || drifted(d.pool) > 0) && d.checked(request) != "", false
	}
	if d.checked(request) == "" {
		return false, false
	}
	target, why, refused := chooseRelease(to, d.s.ControlPlane, d.pool.Cloud, d.policy.Offers)
	switch {
	case why != nil && refused:
		d.refuse(request, why.Reason, why.Message)
		return false, false
	case why != nil:
		d.wait(why.Reason, why.Message)
	case d.releaseRefused(request) != "":
		d.refuse(request, ReleaseRefused, d.releaseRefused(request))
		return false, false
	case !d.mayBegin():
		return false, true
	default:
		d.do(Step{Kind: SetRelease, Release: &target, Request: request})
	}
	return false, true
}

// upgrading is whether an upgrade is under way, to whatever version: one to another is
// superseded even if no node differs from what the pool has now. Nobody would set again
// the release that it waits for.
func (d *decision) upgrading() bool {
	run := d.pool.Run()
	if run == nil {
		return false
	}
	_, upgrade := upgradeValue(run.Request)
	return upgrade
}

// WantsOffer is whether a pool's annotation asks for a version that it does not
// have, so that the shell has to look up what there is.
func WantsOffer(p *world.Pool) bool {
	if p.Object == nil {
		return false
	}
	to, ok := p.Object.Annotations[v1alpha1.AnnotationUpgradeTo]
	return ok && versionShape.MatchString(to) && p.Cloud.Release.Kubernetes != to && p.CycleSpec() != nil &&
		!p.Answered(v1alpha1.AnnotationUpgradeTo, to)
}

// mayBegin is whether a window is open. A pool's release is not changed outside:
// whatever grows the pool meanwhile would bring the new one early.
func (d *decision) mayBegin() bool {
	w := d.window(nil, d.pool.CycleSpec(), nil)
	if w != nil {
		d.wait(w.Reason, w.Message)
	}
	return w == nil
}
