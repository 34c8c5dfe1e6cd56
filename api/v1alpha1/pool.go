package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Pool is one OKE node pool: what tidemill may do with it, and how it is.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=tidemill
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Size",type=integer,JSONPath=`.status.size`
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.ready`
// +kubebuilder:printcolumn:name="Release",type=string,JSONPath=`.status.release.kubernetes`
// +kubebuilder:printcolumn:name="Outdated",type=integer,JSONPath=`.status.outdated`
// +kubebuilder:printcolumn:name="Activity",type=string,JSONPath=`.status.activity`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Pool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PoolSpec   `json:"spec"`
	Status PoolStatus `json:"status,omitempty"`
}

// PoolList is a list of Pools.
//
// +kubebuilder:object:root=true
type PoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Pool `json:"items"`
}

// PoolSpec says what tidemill may do. An absent part is off.
type PoolSpec struct {
	// nodePoolID is the node pool's OCID, or its name if that is unique in the
	// cluster. It cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="nodePoolID cannot be changed: delete this Pool and create another"
	NodePoolID string `json:"nodePoolID"`

	// scale lets pending pods raise the pool and idle nodes leave it.
	// +optional
	Scale *ScaleSpec `json:"scale,omitempty"`
	// cycle lets an annotation turn the pool over to a new release.
	// +optional
	Cycle *CycleSpec `json:"cycle,omitempty"`
	// repair lets the doctor ask for the replacement of broken nodes.
	// +optional
	Repair *RepairSpec `json:"repair,omitempty"`
}

// ScaleSpec bounds and tunes scaling.
//
// +kubebuilder:validation:XValidation:rule="self.minSize <= self.maxSize",message="minSize must not be greater than maxSize"
type ScaleSpec struct {
	// minSize is the number of nodes that scaling never goes below.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2000
	MinSize int32 `json:"minSize"`
	// maxSize is the number of nodes that scaling never goes above; surge of a
	// cycle may.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2000
	MaxSize int32 `json:"maxSize"`
	// down tunes scale-down; absent means the defaults.
	// +optional
	Down *ScaleDownSpec `json:"down,omitempty"`
}

// ScaleDownSpec tunes scale-down.
type ScaleDownSpec struct {
	// disabled keeps every node, however idle.
	// +optional
	Disabled bool `json:"disabled,omitempty"`
	// unneededFor is how long a node must have been unneeded. Default 10m.
	// +optional
	UnneededFor *metav1.Duration `json:"unneededFor,omitempty"`
	// utilizationPercent is the share of allocatable CPU and of memory below
	// which a node's pods may be moved elsewhere. Default 50.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	UtilizationPercent *int32 `json:"utilizationPercent,omitempty"`
}

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

// RepairMode says what the doctor may do about a broken node.
// +kubebuilder:validation:Enum="Off";DryRun;"On"
type RepairMode string

const (
	// RepairOff reports only.
	RepairOff RepairMode = "Off"
	// RepairDryRun also says what it would ask for.
	RepairDryRun RepairMode = "DryRun"
	// RepairOn asks for the replacement of broken nodes.
	RepairOn RepairMode = "On"
)

// RepairSpec bounds repair.
type RepairSpec struct {
	// mode is Off, DryRun or On.
	Mode RepairMode `json:"mode"`
	// after is how long a node must have been broken. Default 10m.
	// +optional
	After *metav1.Duration `json:"after,omitempty"`
	// maxBroken is the number, or percent of the pool rounded down but at least
	// 1, of broken nodes above which nothing is repaired: a common cause is
	// likelier than so many broken machines. Default 20%.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 1000 : self.matches('^(100|[0-9]{1,2})%$')",message="must be a number from 0 to 1000 or a percentage from 0% to 100%"
	// +optional
	MaxBroken *intstr.IntOrString `json:"maxBroken,omitempty"`
}
