package world

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// Stage is where a node is in its life, derived from what is seen.
type Stage int

const (
	// StageUnknown: the cloud reports a state this version does not know.
	StageUnknown Stage = iota
	// StageFailed: an entry that will not become a machine.
	StageFailed
	// StageLaunching: the cloud is making the machine, no Node yet.
	StageLaunching
	// StageJoining: the machine runs, its Node is missing or not yet Ready for
	// the first time.
	StageJoining
	// StageGated: Ready, but the doctor has not passed it yet.
	StageGated
	// StageAvailable: Ready, passed, schedulable.
	StageAvailable
	// StageCordoned: unschedulable, by tidemill or by somebody else.
	StageCordoned
	// StageDraining: marked and being emptied.
	StageDraining
	// StageDrained: marked and seen empty.
	StageDrained
	// StageBroken: a Node that was Ready and is not.
	StageBroken
	// StageTerminating: the cloud is deleting the machine.
	StageTerminating
	// StageLost: a Node whose machine the cloud does not list or has stopped.
	StageLost
)

var stageNames = [...]string{"Unknown", "Failed", "Launching", "Joining", "Gated", "Available", "Cordoned", "Draining", "Drained", "Broken", "Terminating", "Lost"}

// String gives the stage's name.
func (s Stage) String() string {
	if s < 0 || int(s) >= len(stageNames) {
		return "Unknown"
	}
	return stageNames[s]
}

// Name is the Node's name, or the instance's ID before it registered.
func (n *Node) Name() string {
	if n.Object != nil {
		return n.Object.Name
	}
	return string(n.Instance.ID)
}

// ID is the instance's ID, "" for a Node without a provider ID.
func (n *Node) ID() cloudprovider.InstanceID {
	if n.Instance != nil {
		return n.Instance.ID
	}
	return ProviderID(n.Object)
}

// Zone is the failure domain, from either side, "" if neither tells.
func (n *Node) Zone() cloudprovider.Zone {
	if n.Instance != nil && n.Instance.Zone != "" {
		return n.Instance.Zone
	}
	if n.Object != nil {
		return cloudprovider.Zone(n.Object.Labels[corev1.LabelTopologyZone])
	}
	return ""
}

// Kubernetes is the kubelet's version: what runs, not what was asked for. It is
// the instance's release until the node has registered.
func (n *Node) Kubernetes() string {
	if n.Object != nil && n.Object.Status.NodeInfo.KubeletVersion != "" {
		return n.Object.Status.NodeInfo.KubeletVersion
	}
	if n.Instance != nil {
		return n.Instance.Release.Kubernetes
	}
	return ""
}

// Created is when the node came to be: the instance's birth if the cloud tells,
// within what was seen of it, else the Node's. The zero time when nobody tells.
func (n *Node) Created() time.Time {
	if !n.made.IsZero() {
		return n.made
	}
	if n.Instance != nil && !n.Instance.Created.IsZero() {
		return n.Instance.Created
	}
	if n.Object != nil {
		return n.Object.CreationTimestamp.Time
	}
	return time.Time{}
}

// Ready is whether the kubelet says it works.
func (n *Node) Ready() bool {
	c := n.Condition(corev1.NodeReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// Passed is whether the doctor has examined the node and found it fine.
func (n *Node) Passed() bool {
	c := n.Condition(v1alpha1.NodeConditionProblem)
	return c != nil && c.Status == corev1.ConditionFalse
}

// examined is whether the doctor has come to a verdict on the node: it has been
// through its first boot, and not being Ready is news.
func (n *Node) examined() bool {
	c := n.Condition(v1alpha1.NodeConditionProblem)
	return c != nil && c.Status != corev1.ConditionUnknown
}

// Available is whether the node may be counted on: Ready, passed, schedulable,
// and its machine is not going away.
func (n *Node) Available() bool { return n.Stage() == StageAvailable }

// Condition is the Node's condition of this type, nil if absent.
func (n *Node) Condition(t corev1.NodeConditionType) *corev1.NodeCondition {
	if n.Object == nil {
		return nil
	}
	for i := range n.Object.Status.Conditions {
		if n.Object.Status.Conditions[i].Type == t {
			return &n.Object.Status.Conditions[i]
		}
	}
	return nil
}

// Stage derives where the node is.
func (n *Node) Stage() Stage {
	if s, ok := n.cloudStage(); ok {
		return s
	}
	switch {
	case n.Object == nil:
		return StageJoining
	case n.Mark != nil && n.Mark.Drained != nil:
		return StageDrained
	case n.Mark != nil && n.Mark.DrainStarted != nil:
		return StageDraining
	case !n.Ready() && !n.examined():
		return StageJoining
	case !n.Ready():
		return StageBroken
	case n.Object.Spec.Unschedulable:
		return StageCordoned
	case !n.Passed():
		return StageGated
	}
	return StageAvailable
}

// cloudStage answers when the cloud's side alone decides.
func (n *Node) cloudStage() (Stage, bool) {
	if n.Instance == nil {
		return StageLost, true
	}
	switch n.Instance.State {
	case cloudprovider.Running:
		return 0, false
	case cloudprovider.Creating:
		if n.Object != nil {
			return 0, false // the cloud's view lags behind the kubelet's
		}
		return StageLaunching, true
	case cloudprovider.Failed:
		return StageFailed, true
	case cloudprovider.Deleting:
		return StageTerminating, true
	case cloudprovider.Stopped:
		return StageLost, true
	}
	return StageUnknown, true
}

// ProviderID is the instance ID in a Node's spec.providerID, without the prefix
// that some cloud controllers put before it.
func ProviderID(n *corev1.Node) cloudprovider.InstanceID {
	return cloudprovider.InstanceID(strings.TrimPrefix(n.Spec.ProviderID, "oci://"))
}

// DoNotDisrupt is whether an object's annotation keeps it where it is at now:
// "true", or a duration since its creation. A value that is neither protects
// and is reported: what a person meant to protect is not disrupted for a typo.
func DoNotDisrupt(annotations map[string]string, created, now time.Time) (protected, malformed bool) {
	v, ok := annotations[v1alpha1.AnnotationDoNotDisrupt]
	if !ok || v == "false" {
		return false, false
	}
	if v == "true" {
		return true, false
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return true, true
	}
	return now.Before(created.Add(d)), false
}
