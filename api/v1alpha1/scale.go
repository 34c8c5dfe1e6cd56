package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
}
