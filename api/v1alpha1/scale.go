package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
	// priority decides, before price, which pool grows when several could: the
	// highest first. Default 0.
	// +optional
	Priority int32 `json:"priority,omitempty"`
	// zoneLossHeadroom keeps so many nodes that the pods of any one availability
	// domain fit in the others. It has no effect on a pool with one domain.
	// +optional
	ZoneLossHeadroom bool `json:"zoneLossHeadroom,omitempty"`
	// limits bound what the pool's nodes may be in sum; absent means none.
	// +optional
	Limits *ScaleLimits `json:"limits,omitempty"`
}

// ScaleLimits bound the sum over the nodes of a pool. A growth that would pass
// one is cut to what does not; nodes that are there already are never removed
// for it.
type ScaleLimits struct {
	// cores is the most vCPUs, as nodes report them in status.capacity.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Cores *int64 `json:"cores,omitempty"`
	// memory is the most memory, as nodes report it in status.capacity.
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 : quantity(self).compareTo(quantity('0')) >= 0",message="memory must not be negative"
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
	// gpus is the most accelerators of all kinds.
	// +kubebuilder:validation:Minimum=0
	// +optional
	GPUs *int64 `json:"gpus,omitempty"`
	// spendPerHour is the most that the nodes may cost by list price, in US
	// dollars an hour. A pool whose price is not known does not grow under it.
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 : quantity(self).compareTo(quantity('0')) >= 0",message="spendPerHour must not be negative"
	// +optional
	SpendPerHour *resource.Quantity `json:"spendPerHour,omitempty"`
}

// ScaleDownSpec tunes scale-down.
type ScaleDownSpec struct {
	// disabled keeps every node, however idle.
	// +optional
	Disabled bool `json:"disabled,omitempty"`
	// unneededFor is how long a node must have been unneeded. Default 10m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	UnneededFor *metav1.Duration `json:"unneededFor,omitempty"`
	// utilizationPercent is the share of allocatable CPU and of memory below
	// which a node's pods may be moved elsewhere. Default 50.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	UtilizationPercent *int32 `json:"utilizationPercent,omitempty"`
	// consolidate lets a node go whenever all of its pods fit elsewhere, however
	// full it is, and replaces a node by one of a cheaper pool that would carry
	// its pods: the new one comes first. It needs prices for the latter.
	// +optional
	Consolidate bool `json:"consolidate,omitempty"`
}

// ScaleStatus is a record: what a restarted daemon must still know.
type ScaleStatus struct {
	// backoffUntil is when the pool may be grown again after a failure.
	// +optional
	BackoffUntil *metav1.Time `json:"backoffUntil,omitempty"`
	// failures is the number of failed growths in a row; each doubles the wait.
	// +optional
	Failures int32 `json:"failures,omitempty"`
	// reason and message say why the last growth failed.
	// +optional
	Reason string `json:"reason,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
	// zones are the availability domains that had no room for the pool's shape,
	// and until when other pools of that shape are not grown there either.
	// +listType=map
	// +listMapKey=zone
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Zones []ZoneBackoff `json:"zones,omitempty"`
	// fuse is set while the pool does not grow because its new nodes did not take
	// the pods that they were made for.
	// +optional
	Fuse *FuseRecord `json:"fuse,omitempty"`
	// lastScaleUp and lastScaleDown are when the pool was last raised and lowered
	// by scaling; cooldowns count from them.
	// +optional
	LastScaleUp *metav1.Time `json:"lastScaleUp,omitempty"`
	// +optional
	LastScaleDown *metav1.Time `json:"lastScaleDown,omitempty"`
}

// ZoneBackoff is an availability domain without capacity for a shape.
type ZoneBackoff struct {
	Zone string `json:"zone"`
	// until is when it may be tried again.
	Until metav1.Time `json:"until"`
	// failures is the number of failures in a row; each doubles the wait.
	// +optional
	Failures int32 `json:"failures,omitempty"`
}

// FuseRecord is a fuse that has blown.
type FuseRecord struct {
	// until is when the pool may be grown again.
	Until metav1.Time `json:"until"`
	// message says what was seen.
	// +optional
	Message string `json:"message,omitempty"`
}
