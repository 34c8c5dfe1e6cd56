package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
