package doctor

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Reasons of events. On a Node unless said otherwise; each is sent when
// something changes, never because it goes on.
const (
	// EventNodeProblem: a check fails on the node.
	EventNodeProblem = "NodeProblem"
	// EventNodeRecovered: no check fails any more.
	EventNodeRecovered = "NodeRecovered"
	// EventNodePassed: a new node has passed the gate.
	EventNodePassed = "NodePassed"
	// EventRepairRequested and EventRepairWithdrawn: the request was written, or
	// taken back.
	EventRepairRequested = "RepairRequested"
	EventRepairWithdrawn = "RepairWithdrawn"
	// EventRepairDryRun: it would be written if the pool's mode were On.
	EventRepairDryRun = "RepairDryRun"
	// EventRepairEnded: the executor has ended the action; what became of the node
	// is watched.
	EventRepairEnded = "RepairEnded"
	// EventRepairNeedsHuman: repair has done all it may, and the node is broken.
	EventRepairNeedsHuman = "RepairNeedsHuman"
	// EventRepairDeferred: what is due waits, and for what. Once for each reason; what a
	// brake, a person who is asked or a request that stands says is not said again.
	EventRepairDeferred = "RepairDeferred"
	// EventRepairBraked and EventRepairReleased, on a Pool: the brake closed, or
	// opened again.
	EventRepairBraked   = "RepairBraked"
	EventRepairReleased = "RepairReleased"
	// EventNotRegistered, on a Pool: a machine never became a Node.
	EventNotRegistered = "InstanceNotRegistered"
	// EventProviderIDMissing: nobody can match the Node to a machine.
	EventProviderIDMissing = "ProviderIDMissing"
)

// published tells of a verdict that was written.
func (l *Loop) published(p Publication) {
	if p.Heartbeat || p.Was == p.Condition.Status {
		return
	}
	n := p.Node.Object
	switch {
	case p.Condition.Status == corev1.ConditionTrue:
		l.Log.Warn("node has a problem", "node", n.Name, "reason", p.Condition.Reason, "message", p.Condition.Message)
		l.event(n, corev1.EventTypeWarning, EventNodeProblem, "Examine", p.Condition.Message)
	case p.Condition.Status == corev1.ConditionFalse && p.Was == corev1.ConditionTrue:
		l.Log.Info("node recovered", "node", n.Name)
		l.event(n, corev1.EventTypeNormal, EventNodeRecovered, "Examine", "no check fails any more")
	case p.Condition.Status == corev1.ConditionFalse && p.Was == corev1.ConditionUnknown:
		// Nodes that were there before the doctor pass in silence: 2,000 events on
		// the day it is switched on would say nothing.
		l.Log.Info("node passed", "node", n.Name)
		l.event(n, corev1.EventTypeNormal, EventNodePassed, "Examine", "examined and fine: it counts as available")
	}
}

// braked tells of a brake that changed. What a process before this one told
// stands on the Pool.
func (l *Loop) braked(b Brake) {
	key := "brake/" + b.Pool.Name
	was, known := l.told[key]
	if !known {
		c := meta.FindStatusCondition(b.Pool.Object.Status.Conditions, v1alpha1.ConditionBraked)
		was = c != nil && c.Status == metav1.ConditionTrue && ownBrake(BrakeReason(c.Reason))
	}
	l.told[key] = b.Closed
	switch {
	case b.Closed && !was:
		l.Log.Warn("repair is braked", "pool", b.Pool.Name, "reason", b.Reason, "message", b.Message)
		l.event(b.Pool.Object, corev1.EventTypeWarning, EventRepairBraked, "Repair", string(b.Reason)+": "+b.Message)
	case !b.Closed && was:
		l.Log.Info("repair is released", "pool", b.Pool.Name)
		l.event(b.Pool.Object, corev1.EventTypeNormal, EventRepairReleased, "Repair", b.Message)
	}
}

// repaired tells of a request that was written or taken back.
func (l *Loop) repaired(r Repair) {
	if r.Act == ActNone || r.Act == ActReport {
		return
	}
	l.metrics.repaired(r.Pool.Name, r.Act)
	l.Log.Info("repair", "act", r.Act.String(), "action", r.Action, "node", r.Node.Name(), "pool", r.Pool.Name, "check", r.Check, "reason", r.Reason, "message", r.Message)
	n := r.Node.Object
	switch r.Act {
	case ActRequest:
		l.event(n, corev1.EventTypeWarning, EventRepairRequested, "Repair", "asked for "+r.Check+": "+r.Message)
	case ActNote:
		if r.Reason == ReasonTakenOff {
			l.event(n, corev1.EventTypeNormal, EventRepairWithdrawn, "Repair", "the request for a repair is gone: "+r.Message)
			return
		}
		l.event(n, corev1.EventTypeNormal, EventRepairEnded, "Repair", r.Message)
	case ActWithdraw:
		l.event(n, corev1.EventTypeNormal, EventRepairWithdrawn, "Repair", "the request for a repair is taken back: "+r.Message)
	}
}

// record tells once of what stands and is written nowhere, and forgets what
// stands no longer.
func (l *Loop) record(cases []Case, plan Plan) {
	standing := map[string]bool{}
	once := func(key string, tell func()) {
		standing[key] = true
		if !l.told[key] {
			l.told[key] = true
			tell()
		}
	}
	for _, c := range cases {
		for _, f := range c.failures() {
			p := c.Patient
			switch {
			case f.Check == registration.ID && p.Pool != nil && p.Pool.Object != nil:
				once("registration/"+f.Node, func() {
					l.event(p.Pool.Object, corev1.EventTypeWarning, EventNotRegistered, "Examine", f.Message)
				})
			case f.Check == providerID.ID:
				once("provider-id/"+f.Node, func() {
					l.event(p.Node.Object, corev1.EventTypeWarning, EventProviderIDMissing, "Examine", f.Message+": "+f.Remedy)
				})
			}
		}
	}
	for _, r := range plan.Repairs {
		if r.Act == ActReport {
			once("dry-run/"+r.Node.Name()+"/"+r.Check, func() { l.dryRun(r) })
		}
		if r.Reason.asksHuman() {
			once("human/"+r.Node.Name()+"/"+r.Check, func() {
				l.Log.Warn("repair needs a person", "node", r.Node.Name(), "pool", r.Pool.Name, "check", r.Check, "reason", r.Reason, "message", r.Message)
				l.event(r.Node.Object, corev1.EventTypeWarning, EventRepairNeedsHuman, "Repair", string(r.Reason)+": "+r.Message)
			})
		}
		if r.deferred() {
			once("deferred/"+r.Node.Name()+"/"+r.Check+"/"+string(r.Reason), func() {
				l.Log.Info("repair waits", "node", r.Node.Name(), "pool", r.Pool.Name, "check", r.Check, "reason", r.Reason, "message", r.Message)
				l.event(r.Node.Object, corev1.EventTypeNormal, EventRepairDeferred, "Repair", string(r.Reason)+": "+r.Message)
			})
		}
	}
	for _, b := range plan.Brakes {
		standing["brake/"+b.Pool.Name] = true
	}
	for key := range l.told {
		if !standing[key] {
			delete(l.told, key)
		}
	}
}

func (l *Loop) dryRun(r Repair) {
	l.metrics.repaired(r.Pool.Name, r.Act)
	l.Log.Info("repair in dry run", "node", r.Node.Name(), "pool", r.Pool.Name, "check", r.Check)
	l.event(r.Node.Object, corev1.EventTypeNormal, EventRepairDryRun, "Repair",
		"would be asked for if spec.repair.mode were On, for "+r.Check+": "+r.Message)
}

// event sends one event; without a recorder it is dropped.
func (l *Loop) event(about runtime.Object, kind, reason, action, note string) {
	if l.Events != nil {
		l.Events.Eventf(about, nil, kind, reason, action, "%s", note)
	}
}
