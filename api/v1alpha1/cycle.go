package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// CycleMode says when a pool is turned over.
// +kubebuilder:validation:Enum="Off";OnDemand
type CycleMode string

const (
	// CycleOff never.
	CycleOff CycleMode = "Off"
	// CycleOnDemand when an annotation asks for it.
	CycleOnDemand CycleMode = "OnDemand"
)

// CycleSpec bounds a turn-over.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.maxSurge) && has(self.maxUnavailable) && string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",message="maxSurge and maxUnavailable must not both be 0: nothing could ever be replaced"
// +kubebuilder:validation:XValidation:rule="!(has(self.maxSurge) && !has(self.maxUnavailable) && string(self.maxSurge) in ['0', '0%'])",message="maxSurge 0 needs a maxUnavailable of 1 or more: nothing could ever be replaced"
type CycleSpec struct {
	// mode is Off or OnDemand.
	Mode CycleMode `json:"mode"`
	// maxSurge is how many nodes, or percent of the pool rounded up, may exist
	// beyond the desired size. Default 1.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 1000 : self.matches('^(100|[0-9]{1,2})%$')",message="must be a number from 0 to 1000 or a percentage from 0% to 100%"
	// +optional
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`
	// maxUnavailable is how many nodes, or percent of the pool rounded down, may
	// be missing from the desired size. Default 0.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 1000 : self.matches('^(100|[0-9]{1,2})%$')",message="must be a number from 0 to 1000 or a percentage from 0% to 100%"
	// +optional
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`
	// drain tunes how a node is emptied; absent means the defaults.
	// +optional
	Drain *DrainSpec `json:"drain,omitempty"`
}

// DrainSpec tunes how a node is emptied.
type DrainSpec struct {
	// timeout is how long a node may refuse to become empty before it is set
	// aside, uncordoned, and tried again after all others. Default 30m.
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// CycleStatus is a record of a run: what cannot be observed once it has begun.
type CycleStatus struct {
	// request is the annotation that asked for it, "key=value".
	Request string `json:"request"`
	// startedAt is when the run began; for a plain cycle request every node
	// older than this is replaced.
	StartedAt metav1.Time `json:"startedAt"`
	// desired is the pool's size without surge. Scaling that grows the pool in
	// mid-run raises it.
	Desired int32 `json:"desired"`
	// stale is the number of nodes still to be replaced.
	// +optional
	Stale int32 `json:"stale"`
	// replaced is the number of nodes replaced so far.
	// +optional
	Replaced int32 `json:"replaced"`
	// surgeRetryAt is when the pool may be grown again after the cloud had no
	// room for surge nodes; surgeFailures counts such failures in a row.
	// +optional
	SurgeRetryAt *metav1.Time `json:"surgeRetryAt,omitempty"`
	// +optional
	SurgeFailures int32 `json:"surgeFailures,omitempty"`
	// failedJoins are the instances launched in this run that did not become
	// available in time; three of them stop the run.
	// +optional
	// +listType=atomic
	FailedJoins []string `json:"failedJoins,omitempty"`
	// rebalanced is how often the run, with nothing left to replace, has asked
	// for one more node to even out the zones; at most once for each zone.
	// +optional
	Rebalanced int32 `json:"rebalanced,omitempty"`
	// blocked lists nodes that are waiting and why, at most ten.
	// +optional
	// +listType=atomic
	Blocked []BlockedNode `json:"blocked,omitempty"`
}

// BlockedNode is a node that cannot go on, and why.
type BlockedNode struct {
	Node    string `json:"node"`
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
}

// LastCycleStatus is a record: it keeps a request from running twice.
type LastCycleStatus struct {
	Request    string      `json:"request"`
	StartedAt  metav1.Time `json:"startedAt"`
	FinishedAt metav1.Time `json:"finishedAt"`
	Replaced   int32       `json:"replaced"`
	// outcome is Succeeded, Aborted or Refused.
	Outcome string `json:"outcome"`
	Message string `json:"message,omitempty"`
	// cycleSeen is the value of the cycle annotation that was answered last: it
	// keeps it from running again after a later upgrade-to.
	// +optional
	CycleSeen string `json:"cycleSeen,omitempty"`
}
