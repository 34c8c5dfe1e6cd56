package kube

import (
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/plain"
)

// Cause says which verb disrupts a node. The order is the order in which the
// causes get the pool's budget.
type Cause string

const (
	// CauseRepair: the node is broken and will be replaced.
	CauseRepair Cause = "repair"
	// CauseCycle: the node is outdated and will be replaced.
	CauseCycle Cause = "cycle"
	// CauseScaleDown: the node is not needed and will go without replacement.
	CauseScaleDown Cause = "scale-down"
)

// Mark is the one disruption a node is in. It is kept as JSON in the Node's
// annotation v1alpha1.AnnotationDisruption, and is the only record of it: a
// restarted daemon reads it and goes on.
type Mark struct {
	Cause Cause `json:"cause"`
	// Reason is a typed reason of the verb that set the mark ("Outdated",
	// "Underused", "LeaseExpired").
	Reason string `json:"reason"`
	// Message is for people; the differing field, the check's evidence.
	Message string `json:"message,omitempty"`
	// Since is when the mark was set.
	Since time.Time `json:"since"`
	// Cordoned is whether tidemill set spec.unschedulable. A node that was
	// unschedulable before keeps false here and is not uncordoned by Unmark.
	Cordoned bool `json:"cordoned,omitempty"`
	// DrainStarted is when pods were first asked to leave; nil before.
	DrainStarted *time.Time `json:"drainStarted,omitempty"`
	// Excluded is when load balancers were told to send the node no more traffic;
	// nil when they were not.
	Excluded *time.Time `json:"excluded,omitempty"`
	// Drained is when the node was seen empty; nil before. An instance is deleted
	// only if its Node carries it.
	Drained *time.Time `json:"drained,omitempty"`
	// Action is what is done to the machine of the empty node; "" and
	// RepairReplace delete it.
	Action RepairAction `json:"action,omitempty"`
	// Acted is when the cloud was asked to restart the machine; nil before. BootID
	// is the boot that ended with it.
	Acted  *time.Time `json:"acted,omitempty"`
	BootID string     `json:"bootID,omitempty"`
	// InstanceID and NodeUID tie the mark to one machine: a mark whose UID is not
	// the Node's own was copied and counts for nothing.
	InstanceID string `json:"instanceID"`
	NodeUID    string `json:"nodeUID"`
}

// Stays is whether the machine outlives the disruption: it is restarted, and its
// Node comes back.
func (m *Mark) Stays() bool {
	return m.Action == RepairReboot || m.Action == RepairReplaceBootVolume
}

// MarkOf reads the node's mark: nil if there is none. A mark that cannot be
// read, or belongs to another Node, is an error: such a node is left alone.
func MarkOf(n *corev1.Node) (*Mark, error) {
	text, ok := n.Annotations[v1alpha1.AnnotationDisruption]
	if !ok {
		return nil, nil
	}
	var m Mark
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return nil, fmt.Errorf("read annotation %s of node %s: %w", v1alpha1.AnnotationDisruption, n.Name, err)
	}
	if m.NodeUID != string(n.UID) {
		return nil, fmt.Errorf("read annotation %s of node %s: it belongs to another node (UID %s)", v1alpha1.AnnotationDisruption, n.Name, m.NodeUID)
	}
	return &m, nil
}

// SetMark writes m on n in memory, with the node's identity filled in; the
// caller sends it with [PatchNode].
func SetMark(n *corev1.Node, m Mark) {
	m.Reason, m.Message = plain.Cut(m.Reason, 128), plain.Cut(m.Message, 512)
	m.NodeUID = string(n.UID)
	m.InstanceID = n.Spec.ProviderID
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // a struct of strings, bools and times always marshals
	}
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	n.Annotations[v1alpha1.AnnotationDisruption] = string(text)
}

// Cordon makes n unschedulable in memory and returns m saying whether it was
// tidemill that did it.
func Cordon(n *corev1.Node, m Mark) Mark {
	if !n.Spec.Unschedulable {
		n.Spec.Unschedulable = true
		m.Cordoned = true
	}
	return m
}

// Unmark takes everything of tidemill's disruption off n in memory: the mark,
// the cordon if it was tidemill's, the taint, the exclusion. It reports whether n changed.
// A node whose mark cannot be read keeps its cordon: it may be somebody's.
func Unmark(n *corev1.Node) bool {
	changed := RemoveTaint(n, v1alpha1.TaintOutdated)
	changed = include(n) || changed
	if m, err := MarkOf(n); err == nil && m != nil && m.Cordoned {
		n.Spec.Unschedulable = false
	}
	for _, key := range []string{v1alpha1.AnnotationDisruption, v1alpha1.AnnotationUnneededSince, v1alpha1.AnnotationSkippedUntil} {
		if _, ok := n.Annotations[key]; ok {
			delete(n.Annotations, key)
			changed = true
		}
	}
	return changed
}

// AddTaint puts a taint on n in memory unless one with its key and effect is
// there, and reports whether n changed.
func AddTaint(n *corev1.Node, t corev1.Taint) bool {
	for _, have := range n.Spec.Taints {
		if have.Key == t.Key && have.Effect == t.Effect {
			return false
		}
	}
	n.Spec.Taints = append(n.Spec.Taints, t)
	return true
}

// RemoveTaint takes every taint with this key off n in memory and reports
// whether there was one.
func RemoveTaint(n *corev1.Node, key string) bool {
	kept := n.Spec.Taints[:0:0]
	for _, t := range n.Spec.Taints {
		if t.Key != key {
			kept = append(kept, t)
		}
	}
	changed := len(kept) != len(n.Spec.Taints)
	n.Spec.Taints = kept
	return changed
}
