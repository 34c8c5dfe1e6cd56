package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

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
