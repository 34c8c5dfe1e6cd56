package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// CycleMode says when a pool is turned over.
// +kubebuilder:validation:Enum="Off";OnDemand;Auto
type CycleMode string

const (
	// CycleOff never.
	CycleOff CycleMode = "Off"
	// CycleOnDemand when an annotation asks for it.
	CycleOnDemand CycleMode = "OnDemand"
	// CycleAuto also when a node differs from what the pool gives new ones.
	CycleAuto CycleMode = "Auto"
)

// CycleStrategy says how a node is renewed.
// +kubebuilder:validation:Enum=Surge;InPlace;BootVolume;BlueGreen;Delegate
type CycleStrategy string

const (
	// StrategySurge: a new node stands in before an old one goes. The default.
	StrategySurge CycleStrategy = "Surge"
	// StrategyInPlace: an old node goes first and a new one takes its place; for
	// machines of which there are no spare ones. maxSurge counts for nothing, and
	// maxUnavailable is at least 1.
	StrategyInPlace CycleStrategy = "InPlace"
	// StrategyBootVolume: the machine stays and gets a new boot volume; name,
	// addresses and place are kept. Budget as with InPlace. Enhanced clusters only.
	StrategyBootVolume CycleStrategy = "BootVolume"
	// StrategyBlueGreen: as many new nodes as there are old ones first, then all
	// old ones are cordoned and emptied, and stand idle for a while, in which
	// annotation tidemill.dev/rollback gives them back.
	StrategyBlueGreen CycleStrategy = "BlueGreen"
	// StrategyDelegate: OKE's own node cycling does it; tidemill asks, watches and
	// reports. Enhanced clusters only; no canary, order, gate or pause.
	StrategyDelegate CycleStrategy = "Delegate"
)

// CycleOrder says which old node goes first. Broken ones always do.
// +kubebuilder:validation:Enum=Oldest;Zone
type CycleOrder string

const (
	// OrderOldest: the oldest first.
	OrderOldest CycleOrder = "Oldest"
	// OrderZone: zone by zone, and the oldest first within one.
	OrderZone CycleOrder = "Zone"
)

// CycleSpec bounds a turn-over.
//
// +kubebuilder:validation:XValidation:rule="(has(self.strategy) && self.strategy != 'Surge') || !(has(self.maxSurge) && has(self.maxUnavailable) && string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",message="maxSurge and maxUnavailable must not both be 0: nothing could ever be replaced"
// +kubebuilder:validation:XValidation:rule="(has(self.strategy) && self.strategy != 'Surge') || !(has(self.maxSurge) && !has(self.maxUnavailable) && string(self.maxSurge) in ['0', '0%'])",message="maxSurge 0 needs a maxUnavailable of 1 or more: nothing could ever be replaced"
type CycleSpec struct {
	// mode is Off, OnDemand or Auto.
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
	// strategy is how a node is renewed. Default Surge.
	// +optional
	Strategy CycleStrategy `json:"strategy,omitempty"`
	// order is which old node goes first. Default Oldest.
	// +optional
	Order CycleOrder `json:"order,omitempty"`
	// maxParallelDrains is how many nodes are emptied at once. Default 10.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	MaxParallelDrains *int32 `json:"maxParallelDrains,omitempty"`
	// windows are when new nodes may be begun; none means always. What has begun
	// is finished when a window ends. The doctor's repairs do not wait for them.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Windows []CycleWindow `json:"windows,omitempty"`
	// canary goes first, and the rest only when it has done well for a while.
	// +optional
	Canary *CanarySpec `json:"canary,omitempty"`
	// ramp begins with few nodes at once and takes more with each success.
	// +optional
	Ramp *RampSpec `json:"ramp,omitempty"`
	// blueGreen tunes strategy BlueGreen.
	// +optional
	BlueGreen *BlueGreenSpec `json:"blueGreen,omitempty"`
	// fallback says what a run may do when the cloud has no room for surge nodes.
	// +optional
	Fallback *FallbackSpec `json:"fallback,omitempty"`
	// gates must be open for a new node to be begun.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=name
	// +optional
	Gates []CycleGate `json:"gates,omitempty"`
	// maxBlocked is the number of nodes that may refuse to become empty before
	// nothing new is begun; those are tried again. Absent means no limit.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2000
	// +optional
	MaxBlocked *int32 `json:"maxBlocked,omitempty"`
	// maxFailed is the number of new nodes that may fail to become available
	// before the run stops. Default 3.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	MaxFailed *int32 `json:"maxFailed,omitempty"`
	// joinTimeout is how long a new node may take to become available, and one
	// with a new boot volume to be back. Default 20m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	JoinTimeout *metav1.Duration `json:"joinTimeout,omitempty"`
	// drift says which differences count in mode Auto.
	// +optional
	Drift *DriftSpec `json:"drift,omitempty"`
}
