package doctor

import (
	"fmt"
	"time"

	"github.com/tidemill/tidemill/internal/kube"
)

// A node climbs a ladder: the weakest action that can help comes first, and a
// stronger one when that has had its time and did not help, or did not last.
//
//	broken ─► reboot ─► settle ─► still broken ─► boot volume ─► settle ─► replace
//	            │                                                            │
//	            └─► well ─► broken again ─► cooldown ─► the next rung        └─► a new node, a new record
//
// What was tried stands on the Node (kube.RepairRecord), so that a restart
// forgets no attempt; when attempts or rungs are used up a person is asked.

// attemptWindow is the time over which attempts are counted.
const attemptWindow = 24 * time.Hour

// rungs are the actions for a check that the pool allows, weakest first. Where a
// node may be replaced, a new boot volume is a rung of its own only on machines
// that may not be had again, bare metal and GPUs: elsewhere it cures nothing that
// a replacement does not, and the node is out for longer.
func rungs(check Check, l limits) []kube.RepairAction {
	var out []kube.RepairAction
	for i, action := range kube.RepairActions() {
		strength := ActionReboot + Action(i)
		skipped := action == kube.RepairReplaceBootVolume && check.Action == ActionReplace && l.actions[kube.RepairReplace] && !l.keepHost
		if strength >= check.First && strength <= check.Action && l.actions[action] && !skipped {
			out = append(out, action)
		}
	}
	return out
}

// attempts are those of a record that still count: of the last 24 hours, and made.
func attempts(record kube.RepairRecord, now time.Time) kube.RepairRecord {
	var out kube.RepairRecord
	for _, a := range record.Counted() {
		if now.Sub(a.At) < attemptWindow {
			out = append(out, a)
		}
	}
	return out
}

// climb says which action comes next, or why none does.
func climb(c Case, f Finding, record kube.RepairRecord, l limits) (next kube.RepairAction, reason RepairReason, message string) {
	check, _ := checkOf(f.Check)
	if neverReady(c.Patient.Node) {
		check.First = check.Action // nothing runs on it yet, and its first boot did not help
	}
	ladder := rungs(check, l)
	past := attempts(record, c.Patient.Now)
	switch {
	case len(ladder) == 0:
		return "", ReasonNotAllowed, "the pool's spec.repair.actions allow none of what could help against " + f.Check
	case len(past) >= l.attempts:
		return "", ReasonAttempts, fmt.Sprintf("%d repairs within 24 hours did not help, the limit is %d: a person must look", len(past), l.attempts)
	case offUntil(record, l).After(c.Patient.Now):
		return "", ReasonTakenOff, "somebody took the request for a " + string(record.Last().Action) + " off before anything was done; the next is not made before " + clock(offUntil(record, l))
	case len(past) == 0:
		return ladder[0], "", ""
	}
	last := past[len(past)-1]
	if last.Done == nil {
		return "", ReasonRequested, "the " + string(last.Action) + " of " + clock(last.At) + " is being carried out"
	}
	stronger := above(ladder, last.Action)
	if condemnedAt(c).After(*last.Done) { // it had recovered
		if until := last.Done.Add(l.cooldown); c.Patient.Now.Before(until) {
			return "", ReasonCooldown, fmt.Sprintf("it recovered after the %s of %s and broke again; it is left alone until %s", last.Action, clock(last.At), clock(until))
		}
		if len(stronger) == 0 {
			return ladder[len(ladder)-1], "", ""
		}
		return stronger[0], "", ""
	}
	// The executor has waited for a machine that does not come back; one that came
	// back may need a while until what was wrong is seen to be right.
	if until := last.Done.Add(l.settle); c.Patient.Node.Ready() && c.Patient.Now.Before(until) {
		return "", ReasonSettling, fmt.Sprintf("the %s of %s has until %s to help", last.Action, clock(last.At), clock(until))
	}
	if len(stronger) == 0 {
		return "", ReasonExhausted, "the " + string(last.Action) + " of " + clock(last.At) + " did not help, and nothing stronger is allowed: a person must look"
	}
	return stronger[0], "", ""
}

// offUntil is until when nothing is asked for because somebody has taken the last
// request off: asked for again at once, it would be a quarrel at each look.
func offUntil(record kube.RepairRecord, l limits) time.Time {
	if last := record.Last(); last != nil && last.Void && last.Done != nil {
		return last.Done.Add(l.settle)
	}
	return time.Time{}
}

// above are the rungs stronger than an action.
func above(ladder []kube.RepairAction, than kube.RepairAction) []kube.RepairAction {
	rank := map[kube.RepairAction]int{}
	for i, a := range kube.RepairActions() {
		rank[a] = i
	}
	for i, a := range ladder {
		if rank[a] > rank[than] {
			return ladder[i:]
		}
	}
	return nil
}
