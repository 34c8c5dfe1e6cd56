package cycle

import (
	"fmt"
	"sort"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/plain"
)

// maxBlocked bounds the list in the status: a pool of 2,000 nodes stays a small
// object.
const maxBlocked = 10

// statusOf is how cycle's part of the Pool's status has to be according to a
// report.
func statusOf(r Report) kube.CyclePart {
	s := kube.CyclePart{Cycle: r.Cycle.DeepCopy(), LastCycle: r.Last.DeepCopy()}
	if s.Cycle != nil {
		s.Cycle.Blocked = blockedNodes(r.Blocked)
	}
	s.Conditions = []metav1.Condition{cycling(r)}
	return s
}

func blockedNodes(list []Blocked) []v1alpha1.BlockedNode {
	list = append([]Blocked(nil), list...)
	// Those whose pods do not leave first: that is what somebody can act on.
	sort.SliceStable(list, func(i, j int) bool { return list[i].Reason == DrainBlocked && list[j].Reason != DrainBlocked })
	var out []v1alpha1.BlockedNode
	for _, b := range list[:min(len(list), maxBlocked)] {
		out = append(out, v1alpha1.BlockedNode{Node: b.Node, Reason: string(b.Reason), Message: shorten(b.Message)})
	}
	return out
}

func cycling(r Report) metav1.Condition {
	run := r.Cycle
	if run == nil {
		return idleCondition(r)
	}
	reason, message := "Replacing", fmt.Sprintf("%d of %d nodes replaced, %d being emptied", run.Replaced, run.Replaced+run.Stale, r.Draining)
	if r.Wait != nil {
		reason, message = string(r.Wait.Reason), message+"; "+r.Wait.Message
	}
	if r.Wait != nil && r.Wait.Reason == JoinFailures {
		return kube.Condition(r.object, v1alpha1.ConditionCycling, metav1.ConditionFalse, reason, shorten(message))
	}
	return kube.Condition(r.object, v1alpha1.ConditionCycling, metav1.ConditionTrue, reason, shorten(message))
}

// idleCondition is a condition without a run: False, with the refusal if one
// stands.
func idleCondition(r Report) metav1.Condition {
	const t = v1alpha1.ConditionCycling
	if r.Refused != nil {
		return kube.Condition(r.object, t, metav1.ConditionFalse, string(r.Refused.Reason), shorten(r.Refused.Message))
	}
	if refusalStands(r) {
		// The record keeps the sentence and not the reason; the condition that
		// said it first has both.
		if old := meta.FindStatusCondition(r.object.Status.Conditions, t); old != nil && old.Message == shorten(r.Last.Message) {
			return *old
		}
		return kube.Condition(r.object, t, metav1.ConditionFalse, Refused, shorten(r.Last.Message))
	}
	reason, message := "Idle", "no run is under way"
	if r.Wait != nil {
		reason, message = string(r.Wait.Reason), r.Wait.Message
	} else if r.Last != nil {
		reason, message = r.Last.Outcome, r.Last.Message
	}
	return kube.Condition(r.object, t, metav1.ConditionFalse, reason, shorten(message))
}

// refusalStands is whether the request that was refused last is still made.
func refusalStands(r Report) bool {
	if r.Last == nil || r.Last.Outcome != Refused {
		return false
	}
	for _, key := range []string{v1alpha1.AnnotationUpgradeTo, v1alpha1.AnnotationCycle} {
		if value, ok := r.object.Annotations[key]; ok && key+"="+value == r.Last.Request {
			return true
		}
	}
	return false
}

// stands is whether the Pool's status says this already.
func stands(s kube.CyclePart, p *v1alpha1.Pool) bool {
	if !equality.Semantic.DeepEqual(s.Cycle, p.Status.Cycle) || !equality.Semantic.DeepEqual(s.LastCycle, p.Status.LastCycle) {
		return false
	}
	for _, want := range s.Conditions {
		have := meta.FindStatusCondition(p.Status.Conditions, want.Type)
		if have == nil || have.Status != want.Status || have.Reason != want.Reason || have.Message != want.Message || have.ObservedGeneration != want.ObservedGeneration {
			return false
		}
	}
	return true
}

// shorten keeps a sentence within what a condition should carry.
func shorten(s string) string { return plain.Cut(s, 512) }
