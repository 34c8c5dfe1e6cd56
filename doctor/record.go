package doctor

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
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

// braked tells of a brake that changed. What stood before is on the Pool.
func (l *Loop) braked(b Brake) {
	key := "brake/" + b.Pool.Name
	was := l.told[key]
	switch {
	case b.Closed && !was:
		l.told[key] = true
		l.Log.Warn("repair is braked", "pool", b.Pool.Name, "reason", b.Reason, "message", b.Message)
		l.event(b.Pool.Object, corev1.EventTypeWarning, EventRepairBraked, "Repair", string(b.Reason)+": "+b.Message)
	case !b.Closed && was:
		delete(l.told, key)
		l.Log.Info("repair is released", "pool", b.Pool.Name)
		l.event(b.Pool.Object, corev1.EventTypeNormal, EventRepairReleased, "Repair", b.Message)
	}
}

// repaired tells of a request that was written or taken back.
func (l *Loop) repaired(r Repair) {
	if r.Act == ActNone || r.Act == ActReport {
		return
	}
	l.metrics.repairs.WithLabelValues(r.Pool.Name, r.Act.String()).Inc()
	l.Log.Info("repair", "act", r.Act.String(), "node", r.Node.Name(), "pool", r.Pool.Name, "check", r.Check, "reason", r.Reason, "message", r.Message)
	if r.Act == ActRequest {
		l.event(r.Node.Object, corev1.EventTypeWarning, EventRepairRequested, "Repair", "a replacement is asked for: "+r.Check+": "+r.Message)
		return
	}
	l.event(r.Node.Object, corev1.EventTypeNormal, EventRepairWithdrawn, "Repair", "the request for a replacement is taken back: "+r.Message)
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
	l.metrics.repairs.WithLabelValues(r.Pool.Name, r.Act.String()).Inc()
	l.Log.Info("repair in dry run", "node", r.Node.Name(), "pool", r.Pool.Name, "check", r.Check)
	l.event(r.Node.Object, corev1.EventTypeNormal, EventRepairDryRun, "Repair",
		"a replacement would be asked for if spec.repair.mode were On: "+r.Check+": "+r.Message)
}

// event sends one event; without a recorder it is dropped.
func (l *Loop) event(about runtime.Object, kind, reason, action, note string) {
	if l.Events != nil {
		l.Events.Eventf(about, nil, kind, reason, action, "%s", note)
	}
}
