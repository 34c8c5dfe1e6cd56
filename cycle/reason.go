package cycle

import (
	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Reason says why a request is refused, a run does not go on, or a node is not
// taken. It reaches plan, condition, event and metric unchanged; what holds up
// the pods of a node that is being emptied is a reason of package drain.
type Reason string

// Why a request is refused.
const (
	// CyclingOff: spec.cycle.mode does not allow it.
	CyclingOff Reason = "CyclingOff"
	// RepairOff: spec.repair.mode does not allow the doctor's request.
	RepairOff Reason = "RepairOff"
	// BadAnnotation: the annotation's value means nothing.
	BadAnnotation Reason = "BadAnnotation"
	// VersionSkew: the version is newer than the control plane or too old for it.
	VersionSkew Reason = "VersionSkew"
	// VersionNotOffered: the cloud has no image of the version for the pool.
	VersionNotOffered Reason = "VersionNotOffered"
	// BudgetZero: maxSurge and maxUnavailable both come to 0.
	BudgetZero Reason = "BudgetZero"
	// BadWindow: a window of spec.cycle.windows can never open.
	BadWindow Reason = "BadWindow"
	// ReleaseRefused: the cloud does not take the release for this pool.
	ReleaseRefused Reason = "ReleaseRefused"
	// NothingToRollBack: no run is on record.
	NothingToRollBack Reason = "NothingToRollBack"
	// NothingDiffers: OKE's own cycling replaces only what differs from the pool.
	NothingDiffers Reason = "NothingDiffers"
	// RequestAborted: the run that a node's request had a part in was aborted.
	RequestAborted Reason = "RequestAborted"
	// Unsupported: the cloud will not do what the strategy, or the request, needs.
	Unsupported Reason = "Unsupported"
)

// Why a run does not go on.
const (
	// Paused by annotation.
	Paused Reason = "Paused"
	// CloudUnavailable: the cloud, or this pool in it, cannot be read.
	CloudUnavailable Reason = "CloudUnavailable"
	// NodePoolGone: the node pool vanished in the middle of a run.
	NodePoolGone Reason = "NodePoolGone"
	// ControlPlaneUnknown: skew cannot be checked.
	ControlPlaneUnknown Reason = "ControlPlaneUnknown"
	// ReleasesUnknown: what the pool can boot could not be looked up.
	ReleasesUnknown Reason = "ReleasesUnknown"
	// ScaleDownFirst: a node that scale-down has emptied has to go before the
	// pool's size means anything.
	ScaleDownFirst Reason = "ScaleDownFirst"
	// InsufficientCapacity: the cloud had no room for surge nodes.
	InsufficientCapacity Reason = "InsufficientCapacity"
	// JoinTimeout: a new node did not become available in time.
	JoinTimeout Reason = "JoinTimeout"
	// JoinFailures: too many of them; the run has stopped.
	JoinFailures Reason = "JoinFailures"
	// WaitingForSurge: nothing may be taken before a new node is available.
	WaitingForSurge Reason = "WaitingForSurge"
	// Braked: so many nodes are broken that a common cause is likely.
	Braked Reason = "Braked"
	// OutsideWindow: no window is open.
	OutsideWindow Reason = "OutsideWindow"
	// GateClosed: a gate of spec.cycle.gates is not open.
	GateClosed Reason = "GateClosed"
	// CanarySoak: the canary has gone and has not been well for long enough.
	CanarySoak Reason = "CanarySoak"
	// CanaryUnwell: it is not well.
	CanaryUnwell Reason = "CanaryUnwell"
	// TooManyBlocked: as many nodes as may be refuse to become empty.
	TooManyBlocked Reason = "TooManyBlocked"
	// DrainStuck: a node does not become empty, and the policy is to pause then.
	DrainStuck Reason = "DrainStuck"
	// ReleaseKept: a node was given a new boot volume, and runs what it ran before.
	ReleaseKept Reason = "ReleaseKept"
	// ReleaseChanged: somebody has given the node pool another version than the run's.
	ReleaseChanged Reason = "ReleaseChanged"
	// WaitingForGreen: not all new nodes of a blue-green run are available.
	WaitingForGreen Reason = "WaitingForGreen"
	// Delegated: the cloud does it.
	Delegated Reason = "Delegated"
	// DelegateUnfinished: it has left nodes as they were, or could not be asked.
	DelegateUnfinished Reason = "DelegateUnfinished"
	// Finishing: all are replaced, the last new nodes are not available yet.
	Finishing Reason = "Finishing"
)

// Why a node is not taken.
const (
	// BelowFloor: the pool would have too few available nodes without it.
	BelowFloor Reason = "BelowFloor"
	// BelowZoneFloor: its zone would.
	BelowZoneFloor Reason = "BelowZoneFloor"
	// NoPlaceForVolume: a pod on it has a volume that can be had in one place only, and
	// no other node is there.
	NoPlaceForVolume Reason = "NoPlaceForVolume"
	// ParallelDrains: enough nodes are being emptied.
	ParallelDrains Reason = "ParallelDrains"
	// DoNotDisrupt: an annotation protects the node.
	DoNotDisrupt Reason = "DoNotDisrupt"
	// DrainSkipped: its drain ran out of time; it is tried again later.
	DrainSkipped Reason = "DrainSkipped"
	// MarkUnreadable: its disruption annotation is not ours or is damaged.
	MarkUnreadable Reason = "MarkUnreadable"
	// StillJoining: it is not a node yet.
	StillJoining Reason = "StillJoining"
	// NotExamined: the doctor has not looked at it, so that nobody knows whether
	// it carries load.
	NotExamined Reason = "NotExamined"
	// NotComplete: it is Ready and lacks something that the pool's other nodes have.
	NotComplete Reason = "NotComplete"
	// Restarting: its machine was restarted and is not back yet.
	Restarting Reason = "Restarting"
	// Soaking: it is empty and stands for a rollback.
	Soaking Reason = "Soaking"
	// CanaryFirst: it is its turn when the canary has gone well.
	CanaryFirst Reason = "CanaryFirst"
	// MachineGone: the Node is left of a machine that the cloud does not have.
	MachineGone Reason = "MachineGone"
	// StateUnknown: the cloud reports a state that this version does not know.
	StateUnknown Reason = "StateUnknown"
	// DrainBlocked: pods do not leave; the message has the first of them.
	DrainBlocked Reason = "DrainBlocked"
)

// Why a node is taken, or given back.
const (
	// Outdated: it does not run what it should.
	Outdated Reason = "Outdated"
	// Requested: by annotation on the node.
	Requested Reason = "Requested"
	// Surplus: the run has nothing left to replace and the pool is larger than it is to be.
	Surplus Reason = "Surplus"
	// Renewed: its machine was restarted and is back.
	Renewed Reason = "Renewed"
	// NotBack: its machine was to be restarted and did not come back in time, or
	// does not exist any more.
	NotBack Reason = "NotBack"
	// PeerDeadlock: its drain and another waited for each other, and it gives way.
	PeerDeadlock Reason = "PeerDeadlock"
	// TimedOut: its drain ran out of time.
	TimedOut Reason = "DrainTimeout"
	// Uncordoned: somebody made it schedulable by hand.
	Uncordoned Reason = "UncordonedByHand"
	// NoLongerWanted: whatever it was marked for does not hold any more.
	NoLongerWanted Reason = "NoLongerWanted"
)

// Report is how a pool is doing.
type Report struct {
	Pool string `json:"pool"`
	// Size is what was asked of the cloud, Desired the size without surge.
	Size    int `json:"size"`
	Desired int `json:"desired"`
	// Floor and Ceiling are the two numbers of the run; 0 without one.
	Floor   int `json:"floor,omitempty"`
	Ceiling int `json:"ceiling,omitempty"`
	// Stages counts nodes by stage.
	Stages map[string]int `json:"stages,omitempty"`
	// Stale and Draining count nodes; Drifted those that do not run the release.
	Stale    int `json:"stale"`
	Draining int `json:"draining"`
	Drifted  int `json:"drifted"`
	// Wait is why the run does not go on; nil when it does, or there is none.
	Wait *Wait `json:"wait,omitempty"`
	// Refused is the answer to a request that cannot be met.
	Refused *Wait `json:"refused,omitempty"`
	// Blocked are the nodes that are not taken or not emptied, by name.
	Blocked []Blocked `json:"blocked,omitempty"`

	// Cycle and Last are the records as they have to stand when the steps are
	// carried out.
	Cycle *v1alpha1.CycleStatus     `json:"-"`
	Last  *v1alpha1.LastCycleStatus `json:"-"`

	object *v1alpha1.Pool
}

// Wait is a reason with a sentence.
type Wait struct {
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
}

// Blocked is a node with a reason and a sentence.
type Blocked struct {
	Node    string `json:"node"`
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
}
