package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

	// scale is scaling's record of this pool.
	// +optional
	Scale *ScaleStatus `json:"scale,omitempty"`
	// cycle is the record of the run under way, absent when there is none.
	// +optional
	Cycle *CycleStatus `json:"cycle,omitempty"`
	// lastCycle is the record of the run that ended last.
	// +optional
	LastCycle *LastCycleStatus `json:"lastCycle,omitempty"`

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
)
