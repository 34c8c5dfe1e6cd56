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
	// RepairOn asks for the repair of broken nodes.
	RepairOn RepairMode = "On"
)

// RepairAction is what may be done to a machine.
// +kubebuilder:validation:Enum=Reboot;ReplaceBootVolume;Replace
type RepairAction string

const (
	// ActionReboot restarts the machine.
	ActionReboot RepairAction = "Reboot"
	// ActionReplaceBootVolume gives the machine a new boot volume.
	ActionReplaceBootVolume RepairAction = "ReplaceBootVolume"
	// ActionReplace deletes the machine; the pool makes another.
	ActionReplace RepairAction = "Replace"
)

// RepairSpec bounds repair. Whatever is absent has its default; where each
// default comes from is in docs/repair.md.
type RepairSpec struct {
	// mode is Off, DryRun or On.
	// +kubebuilder:default=DryRun
	// +optional
	Mode RepairMode `json:"mode,omitempty"`
	// after is how long a node must have been broken. Default 10m. A node that is
	// not Ready may be rebooted after half of it: by default Kubernetes evicts its
	// pods after 5m anyway.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	After *metav1.Duration `json:"after,omitempty"`
	// actions are what may be done, in any order; the weakest that can help is
	// tried first. Default all: Reboot, ReplaceBootVolume, Replace; the second only
	// on bare metal and GPU shapes, unless the third is not allowed.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +optional
	Actions []RepairAction `json:"actions,omitempty"`
	// young is the age below which a node is left alone: drivers are installed,
	// images pulled. Default 20m; 60m on bare metal and GPU shapes.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	Young *metav1.Duration `json:"young,omitempty"`
	// settle is how long an action has to show that it helped before a stronger
	// one is asked for. Default 5m; 20m on bare metal and GPU shapes.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	Settle *metav1.Duration `json:"settle,omitempty"`
	// restartTimeout is how long a machine that was told to restart may take to be
	// back, Ready and examined; then the restart has not helped. Default 8m, 20m on
	// bare metal and GPU shapes, and not more than spec.cycle.joinTimeout. A machine
	// that gets a new boot volume has the joinTimeout.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	RestartTimeout *metav1.Duration `json:"restartTimeout,omitempty"`
	// cooldown is how long a node that recovered after a repair is left alone when
	// it breaks again. Default 60m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	Cooldown *metav1.Duration `json:"cooldown,omitempty"`
	// maxAttempts is how many actions a node gets in 24 hours; then a person is
	// asked. Default 3.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=8
	// +optional
	MaxAttempts *int32 `json:"maxAttempts,omitempty"`
	// maxParallel is how many nodes of the pool may be in repair at once.
	// Default 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	// +optional
	MaxParallel *int32 `json:"maxParallel,omitempty"`
	// maxBroken is the number, or percent of the pool rounded down but at least
	// 1, of broken nodes above which nothing is repaired: a common cause is
	// likelier than so many broken machines. Default 20%.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 1000 : self.matches('^(100|[0-9]{1,2})%$')",message="must be a number from 0 to 1000 or a percentage from 0% to 100%"
	// +optional
	MaxBroken *intstr.IntOrString `json:"maxBroken,omitempty"`
	// brake is when repair stops for a common cause, beside maxBroken.
	// +optional
	Brake *BrakeSpec `json:"brake,omitempty"`
}

// BrakeSpec are the signs of a common cause, and how long calm must last.
type BrakeSpec struct {
	// maxBrokenInCluster is the percentage of the cluster's nodes, at least 3
	// nodes, that may be broken at once. Default 10.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	MaxBrokenInCluster *int32 `json:"maxBrokenInCluster,omitempty"`
	// maxBrokenInZone is the percentage of a zone's nodes, and more than 2 nodes,
	// from which the zone is taken for lost. Default 55.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	MaxBrokenInZone *int32 `json:"maxBrokenInZone,omitempty"`
	// sameFault is how many nodes of the cluster that begin to fail the same check
	// within window are a common cause. Default 3.
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=1000
	// +optional
	SameFault *int32 `json:"sameFault,omitempty"`
	// window is the time for sameFault. Default 10m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	Window *metav1.Duration `json:"window,omitempty"`
	// notJoining is how many machines of the pool that do not become nodes, with
	// none made later that did, are a common cause. Default 2.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	NotJoining *int32 `json:"notJoining,omitempty"`
	// hold is how long the brake stays closed after the last sign. Default 30m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	Hold *metav1.Duration `json:"hold,omitempty"`
}

// RepairStatus is the doctor's record of a pool. It is read back: the sign that
// closed the brake is gone before the brake opens, and a machine that was
// replaced takes its own record with it.
type RepairStatus struct {
	// brake is the last sign of a common cause, absent when the brake is open.
	// +optional
	Brake *BrakeRecord `json:"brake,omitempty"`
	// recent are the repairs of the last 24 hours, oldest first.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Recent []RecentRepair `json:"recent,omitempty"`
}

// BrakeRecord is a sign of a common cause.
type BrakeRecord struct {
	// reason is the one of the condition Braked.
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason"`
	// message has the arithmetic at the last sign.
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message"`
	// lastSign is when the sign was last seen, to the minute.
	LastSign metav1.Time `json:"lastSign"`
}

// RecentRepair is one action that the doctor asked for.
type RecentRepair struct {
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node"`
	// action is what was asked for, check why.
	Action RepairAction `json:"action"`
	// +kubebuilder:validation:MaxLength=64
	Check string      `json:"check"`
	At    metav1.Time `json:"at"`
}
