package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PoolStatus is how the pool is. Each verb writes its own part by server-side
// apply under its own field owner; no part is read back by the verb that could
// observe the fact instead, except what is said to be a record.
type PoolStatus struct {
	// nodePoolID is the OCID that spec.nodePoolID was resolved to.
	// +optional
	NodePoolID string `json:"nodePoolID,omitempty"`
	// shape is the machine type of new nodes.
	// +optional
	Shape string `json:"shape,omitempty"`
	// size is what was asked of the cloud, surge included.
	// +optional
	Size int32 `json:"size"`
	// ready is the number of nodes that are Ready and, in a pool that opted in to
	// a verb, have passed the doctor's gate; cordoned ones excluded.
	// +optional
	Ready int32 `json:"ready"`
	// outdated is the number of nodes that do not run the pool's release.
	// +optional
	Outdated int32 `json:"outdated"`
	// draining is the number of nodes being emptied or deleted.
	// +optional
	Draining int32 `json:"draining"`
	// release is what a new node gets.
	// +optional
	Release *ReleaseStatus `json:"release,omitempty"`
	// activity is what is happening, in a few words.
	// +optional
	Activity string `json:"activity,omitempty"`

	// learned is what registered nodes have taught about the next one, the newest
	// lesson first. It is a record: a pool that has no node left keeps it.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=3
	// +optional
	Learned []LearnedTemplate `json:"learned,omitempty"`

	// unjoined are machines that have not become Ready nodes when most have, and since
	// when that is under tidemill's eyes, whoever led: how old a machine is tells the
	// cloud's clock alone, and that may have been set.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +optional
	Unjoined []UnjoinedMachine `json:"unjoined,omitempty"`

	// scale is scaling's record of this pool.
	// +optional
	Scale *ScaleStatus `json:"scale,omitempty"`
	// cycle is the record of the run under way, absent when there is none.
	// +optional
	Cycle *CycleStatus `json:"cycle,omitempty"`
	// lastCycle is the record of the run that ended last.
	// +optional
	LastCycle *LastCycleStatus `json:"lastCycle,omitempty"`
	// repair is the doctor's record of this pool.
	// +optional
	Repair *RepairStatus `json:"repair,omitempty"`

	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ReleaseStatus is a Kubernetes version and an image.
type ReleaseStatus struct {
	Kubernetes string `json:"kubernetes,omitempty"`
	Image      string `json:"image,omitempty"`
	ImageName  string `json:"imageName,omitempty"`
}

// UnjoinedMachine is a machine that is waited for.
type UnjoinedMachine struct {
	ID    string      `json:"id"`
	Since metav1.Time `json:"since"`
}

// LearnedTemplate is what the nodes of one make have in common.
type LearnedTemplate struct {
	// shape, kubernetes and image say what was made.
	Shape string `json:"shape,omitempty"`
	// +optional
	Kubernetes string `json:"kubernetes,omitempty"`
	// +optional
	Image string `json:"image,omitempty"`
	// promised is the capacity that the cloud's description of the pool lets
	// expect, before anything was learned.
	// +optional
	Promised corev1.ResourceList `json:"promised,omitempty"`

	// since is when this make was first seen: a node that is younger is of it for
	// certain.
	Since metav1.Time `json:"since"`
	// nodes is how many nodes taught it at the last look that had any.
	// +optional
	Nodes int32 `json:"nodes,omitempty"`

	// capacity and allocatable are the least that any of them had.
	// +optional
	Capacity corev1.ResourceList `json:"capacity,omitempty"`
	// +optional
	Allocatable corev1.ResourceList `json:"allocatable,omitempty"`
	// labels and taints are those that all young ones had and that the cloud's
	// description of the pool does not have.
	// +kubebuilder:validation:MaxProperties=48
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Taints []corev1.Taint `json:"taints,omitempty"`
}

// Condition types of a Pool.
const (
	// ConditionReady: the node pool exists, is this Pool's alone, and can be read.
	ConditionReady = "Ready"
	// ConditionUpToDate: every node runs the pool's release and no run is under way.
	ConditionUpToDate = "UpToDate"
	// ConditionCycling: a run is under way; the message says how far.
	ConditionCycling = "Cycling"
	// ConditionScaleBlocked: the pool cannot grow now; reason and message say why.
	ConditionScaleBlocked = "ScaleBlocked"
	// ConditionBraked: disruption is stopped for a common cause.
	ConditionBraked = "Braked"
	// ConditionNeedsHuman: nodes are broken for which repair has done all it may;
	// the message names them.
	ConditionNeedsHuman = "NeedsHuman"
)
