package doctor

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// RepairReason is why a failing node is not, or no longer, to be repaired.
type RepairReason string

const (
	// ReasonNotRepairable: no failing check may ask for a repair.
	ReasonNotRepairable RepairReason = "NotRepairable"
	// ReasonNotAllowed: the pool allows no action that could help.
	ReasonNotAllowed RepairReason = "ActionNotAllowed"
	// ReasonTooEarly: it has not failed for spec.repair.after.
	ReasonTooEarly RepairReason = "TooEarly"
	// ReasonTooYoung: the node is younger than spec.repair.young.
	ReasonTooYoung RepairReason = "TooYoung"
	// ReasonNoInstance: there is no machine to repair.
	ReasonNoInstance RepairReason = "NoInstance"
	// ReasonMarked: the node is in a disruption already.
	ReasonMarked RepairReason = "Marked"
	// ReasonAborted: a person has aborted the run that the request began.
	ReasonAborted RepairReason = "Aborted"
	// ReasonRequested: somebody has asked already.
	ReasonRequested RepairReason = "Requested"
	// ReasonDoNotDisrupt: the node's annotation forbids it.
	ReasonDoNotDisrupt RepairReason = "DoNotDisrupt"
	// ReasonOtherController: another controller works on the node.
	ReasonOtherController RepairReason = "OtherController"
	// ReasonPaused: a person has paused the pool.
	ReasonPaused RepairReason = "Paused"
	// ReasonBraked: a common cause is likelier; see the pool's Brake.
	ReasonBraked RepairReason = "Braked"
	// ReasonNotProven: too few say so, see proof.
	ReasonNotProven RepairReason = "NotProven"
	// ReasonSettling: the last action still has time to help.
	ReasonSettling RepairReason = "Settling"
	// ReasonTakenOff: somebody has taken the request off before anything was done.
	ReasonTakenOff RepairReason = "TakenOff"
	// ReasonCooldown: it broke again soon after a repair.
	ReasonCooldown RepairReason = "Cooldown"
	// ReasonParallel: enough nodes are in repair.
	ReasonParallel RepairReason = "Parallel"
	// ReasonAttempts: the node has had all its attempts.
	ReasonAttempts RepairReason = "AttemptsUsedUp"
	// ReasonExhausted: the strongest allowed action did not help.
	ReasonExhausted RepairReason = "ActionsUsedUp"
	// ReasonUnproven: a weak action did not help, and the evidence does not carry
	// a stronger one.
	ReasonUnproven RepairReason = "StrongerNotProven"
	// ReasonInVain: repair did not help against this on another node.
	ReasonInVain RepairReason = "InVainElsewhere"
	// ReasonSpreading: another node has just begun to fail the same check.
	ReasonSpreading RepairReason = "MaySpread"
	// ReasonPoolLimit: the pool has had all its repairs of a day.
	ReasonPoolLimit RepairReason = "PoolLimit"
	// ReasonRecordUnreadable: what was tried before is not known.
	ReasonRecordUnreadable RepairReason = "RecordUnreadable"
	// ReasonHealed: a request is taken back since the node is well again.
	ReasonHealed RepairReason = "Healed"
	// ReasonRepairOff: a request is taken back since repair is not on any more.
	ReasonRepairOff RepairReason = "RepairOff"
	// ReasonForgotten: a record is taken off since it does not count any more.
	ReasonForgotten RepairReason = "Forgotten"
	// ReasonEnded: the executor has answered the request.
	ReasonEnded RepairReason = "Ended"
)

// asksHuman is whether repair has come to its end and a person is asked.
func (r RepairReason) asksHuman() bool {
	switch r {
	case ReasonAttempts, ReasonExhausted, ReasonUnproven, ReasonPoolLimit, ReasonRecordUnreadable, ReasonAborted:
		return true
	}
	return false
}

// deferred is whether a repair that would be asked for waits, for something that
// nobody else tells of: a node that has just broken or was just repaired has its time,
// and a brake, a mark, a request of the doctor's and a person who is asked have events of
// their own.
func (r Repair) deferred() bool {
	if spec := r.Pool.RepairSpec(); spec == nil || spec.Mode != v1alpha1.RepairOn || r.Act != ActNone {
		return false
	}
	switch r.Reason {
	case ReasonNotAllowed, ReasonTooYoung, ReasonDoNotDisrupt, ReasonOtherController, ReasonPaused, ReasonNotProven,
		ReasonTakenOff, ReasonCooldown, ReasonParallel, ReasonInVain, ReasonSpreading:
		return true
	case ReasonRequested:
		// A gate may hold a person's request for as long as it likes, and the node with it.
		value := r.Node.Object.Annotations[v1alpha1.AnnotationCycle]
		_, ours, err := kube.ParseRepairRequest(value)
		return value != "" && !ours && err == nil
	}
	return false
}

// opinion is what comes of one failing node: the check that asks and the action
// it asks for, or why not.
type opinion struct {
	check   string
	action  kube.RepairAction
	reason  RepairReason
	message string
}

// refuse finds what is to be done about a failing node, and what speaks against
// it; an empty reason means that nothing does.
func refuse(s *world.Snapshot, c Case, brake Brake, l limits, sight Sight, policy Policy) opinion {
	able := repairable(c)
	if len(able) == 0 {
		return opinion{c.failures()[0].Check, "", ReasonNotRepairable, "no repair would help, or the cluster does not say since when: a person must look"}
	}
	first := able[0].Check
	if reason, message := forbidden(s, c.Patient); reason != "" {
		return opinion{first, "", reason, message}
	}
	if grown := c.Patient.Node.Created().Add(l.young); s.Now.Before(grown) {
		return opinion{first, "", ReasonTooYoung, "it is left alone until " + clock(grown) + ", for it is new"}
	}
	record, err := kube.RepairRecordOf(c.Patient.Node.Object)
	if err != nil {
		return opinion{first, "", ReasonRecordUnreadable, err.Error() + ": a person must look"}
	}
	ask := asking(c, able, record, l)
	f := ask.f
	switch {
	case s.Now.Before(ask.due):
		return opinion{f.Check, "", ReasonTooEarly, "a repair is asked for at " + clock(ask.due)}
	case brake.Closed:
		return opinion{f.Check, "", ReasonBraked, brake.Message}
	case ask.reason != "":
		return opinion{f.Check, "", ask.reason, ask.message}
	}
	if ok, lacking := proof(c, f, sight, ask.action.Destructive(), policy); !ok {
		reason := ReasonNotProven
		if len(attempts(record, s.Now)) > 0 {
			reason = ReasonUnproven
		}
		return opinion{f.Check, "", reason, string(ask.action) + " is not asked for: " + lacking}
	}
	return opinion{f.Check, ask.action, "", fmt.Sprintf("%s, attempt %d of %d: %s", ask.action, len(attempts(record, s.Now))+1, l.attempts, f.Message)}
}

// forbidden is whatever keeps the doctor off a node however sick it is.
func forbidden(s *world.Snapshot, p Patient) (RepairReason, string) {
	n := p.Node
	key, foreign := otherController(n.Object)
	protected, _ := world.DoNotDisrupt(n.Object.Annotations, n.Created(), s.Now)
	switch {
	case n.Instance == nil:
		return ReasonNoInstance, "the cloud lists no machine for it"
	case n.Mark != nil || n.MarkErr != nil:
		return ReasonMarked, "it is in a disruption already"
	case p.Pool.Aborted(n):
		return ReasonAborted, "a person has aborted what it was asked for, and nothing is done while its annotation " + v1alpha1.AnnotationCycle + " stands: take it off, and repair goes on"
	case n.Object.Annotations[v1alpha1.AnnotationCycle] != "":
		return ReasonRequested, "it is asked for by annotation " + v1alpha1.AnnotationCycle + "=" + n.Object.Annotations[v1alpha1.AnnotationCycle] + ", and that comes first: the pool's condition " + v1alpha1.ConditionCycling + " says what the run for it waits for"
	case foreign:
		return ReasonOtherController, "another controller works on it: " + key
	case protected:
		return ReasonDoNotDisrupt, "its annotation " + v1alpha1.AnnotationDoNotDisrupt + " forbids it"
	case p.Pool.Paused():
		return ReasonPaused, "the pool is paused"
	}
	return "", ""
}

// repairable are the failures that may ask for a repair: the check allows it, the
// evidence is a state and no memory or log line, and the cluster dates it. Of these
// only they who know best what does not help.
func repairable(c Case) []Finding {
	var out []Finding
	var weakest Action
	for _, f := range c.failures() {
		check, _ := checkOf(f.Check)
		if check.Action == ActionNone || check.Evidence != EvidenceLevel || !dated(c, f, check) {
			continue
		}
		if check.First > weakest {
			out, weakest = nil, check.First
		}
		if check.First == weakest {
			out = append(out, f)
		}
	}
	return out
}

// claim is a failure that asks, what it asks for or why it does not, and when that is due.
type claim struct {
	f       Finding
	action  kube.RepairAction
	reason  RepairReason
	message string
	due     time.Time
}

// asking is whose claim it is: of those that are due the one whose ladder goes
// furthest, so that a check which may only restart does not stand before one that
// may replace, and the order of the checks decides nothing. There is one at least.
func asking(c Case, able []Finding, record kube.RepairRecord, l limits) claim {
	var best claim
	for i, f := range able {
		x := claim{f: f}
		x.action, x.reason, x.message = climb(c, f, record, l)
		x.due = dueAt(c, f, x.action, l)
		if i == 0 || x.before(best, c.Patient.Now) {
			best = x
		}
	}
	return best
}

// before is whether x asks rather than y; of two that may ask for the same the
// first stays.
func (x claim) before(y claim, now time.Time) bool {
	if due := !now.Before(x.due); due == now.Before(y.due) {
		return due // one of them has stood long enough
	}
	one, _ := checkOf(x.f.Check)
	other, _ := checkOf(y.f.Check)
	return one.Action > other.Action
}

// dated is whether the cluster says since when the check fails, be it by the
// verdict that was written for it: a restarted daemon then waits no longer and no
// less than this one.
func dated(c Case, f Finding, check Check) bool {
	if !f.Since.IsZero() {
		return true
	}
	stands := c.Patient.Node.Condition(v1alpha1.NodeConditionProblem)
	return check.ByVerdict && stands != nil && stands.Status == corev1.ConditionTrue && stands.Reason == Camel(f.Check)
}

// dueAt is when the node has been broken for long enough for an action: both the
// verdict and this very failure must have stood, since the verdict may be older
// for another reason. A node that was never Ready has waited out its grace.
func dueAt(c Case, f Finding, action kube.RepairAction, l limits) time.Time {
	since := condemnedAt(c)
	if f.Since.After(since) {
		since = f.Since
	}
	switch {
	case neverReady(c.Patient.Node):
		return since
	case action == kube.RepairReboot && !c.Patient.Node.Ready():
		return since.Add(l.after / 2)
	}
	return since.Add(l.after)
}

// condemnedAt is since when the verdict stands on the Node; now if it does not
// stand there yet.
func condemnedAt(c Case) time.Time {
	stands := c.Patient.Node.Condition(v1alpha1.NodeConditionProblem)
	if stands == nil || stands.Status != corev1.ConditionTrue {
		return c.Patient.Now
	}
	return stands.LastTransitionTime.Time
}
