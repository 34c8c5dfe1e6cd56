package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CycleStatus is a record of a run: what cannot be observed once it has begun.
type CycleStatus struct {
	// request is the annotation that asked for it, "key=value".
	Request string `json:"request"`
	// startedAt is when the run began; for a plain cycle request every node
	// older than this is replaced.
	StartedAt metav1.Time `json:"startedAt"`
	// otherRelease is whether the node pool has, or had at the last look, another version
	// than an upgrade is about: somebody has changed it meanwhile, and it is set again.
	// +optional
	OtherRelease bool `json:"otherRelease,omitempty"`
	// target stands for what the node pool gives new nodes, as the run has seen it last.
	// +optional
	Target string `json:"target,omitempty"`
	// releasedAt is when the pool was first seen to give nodes something else than before,
	// or an upgrade's version again. Nodes that were made before and differ are replaced
	// too, also if the run has made them.
	// +optional
	ReleasedAt *metav1.Time `json:"releasedAt,omitempty"`
	// desired is the pool's size without surge. Scaling that grows the pool in
	// mid-run raises it.
	Desired int32 `json:"desired"`
	// greatest is the greatest size that the run has found, machines on their way out
	// when it began included, or has asked for: written before it asks. Whoever leads
	// after a crash takes a size beyond it for somebody else's. Runs that older
	// versions began do not have it.
	// +optional
	Greatest int32 `json:"greatest,omitempty"`
	// least is the least size that the run has found, machines on their way out when
	// it began not included, or that its deletions may have led to: written before it
	// orders them. Whoever leads after a crash takes a size below it for somebody
	// else's. Runs that older versions began, and those that the cloud carries out, do
	// not have it.
	// +optional
	Least int32 `json:"least,omitempty"`
	// stale is the number of nodes still to be replaced.
	// +optional
	Stale int32 `json:"stale"`
	// replaced is the number of nodes replaced so far.
	// +optional
	Replaced int32 `json:"replaced"`
	// unconfirmed is how many of those replaced only the last look has found replaced.
	// What it saw may have been out of date, so neither the rest after a canary nor the
	// end of the run goes by them before another look agrees.
	// +optional
	Unconfirmed int32 `json:"unconfirmed,omitempty"`
	// machines is the number of machines that the pool had when the run began. Of
	// them as many are gone as are not there any more, whatever has come since. Runs
	// that older versions began do not have it.
	// +optional
	Machines int32 `json:"machines,omitempty"`
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
	// strategy is how this run renews nodes: the pool's when it began. A change of
	// it counts for the next run.
	// +optional
	Strategy CycleStrategy `json:"strategy,omitempty"`
	// nodePoolID is the node pool that the run is about. A Pool that comes to
	// stand for another one in mid-run ends it.
	// +optional
	NodePoolID string `json:"nodePoolID,omitempty"`
	// previous is what most of the nodes to be replaced ran when the run began:
	// where a rollback leads.
	// +optional
	Previous *ReleaseStatus `json:"previous,omitempty"`
	// abortSeen is the value that annotation tidemill.dev/abort had when the run
	// began: only another one aborts it.
	// +optional
	AbortSeen string `json:"abortSeen,omitempty"`
	// rung is how far down the ladder the run has gone for want of room in the
	// cloud: "", Half, One, EachZone, Unavailable, BootVolume, Waiting; rungAt is
	// when it came there.
	// +optional
	Rung string `json:"rung,omitempty"`
	// +optional
	RungAt *metav1.Time `json:"rungAt,omitempty"`
	// canaryDoneAt is when as many nodes were replaced as go first.
	// +optional
	CanaryDoneAt *metav1.Time `json:"canaryDoneAt,omitempty"`
	// delegatedAt is when OKE was asked last to cycle the pool itself.
	// +optional
	DelegatedAt *metav1.Time `json:"delegatedAt,omitempty"`
	// delegations is how often OKE was asked in this run, and could be.
	// +optional
	Delegations int32 `json:"delegations,omitempty"`
	// rebalanced is how often the run, with nothing left to replace, has asked
	// for one more node to even out the zones; at most once for each zone.
	// +optional
	Rebalanced int32 `json:"rebalanced,omitempty"`
	// endingSince is since when the run is ending before its work is done: it was
	// aborted, or its request taken back.
	// +optional
	EndingSince *metav1.Time `json:"endingSince,omitempty"`
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
	// abortSeen is the value of annotation tidemill.dev/abort that ended the run:
	// the request is not taken up again while both stand.
	// +optional
	AbortSeen string `json:"abortSeen,omitempty"`
	// abortedNodes are the requests of single nodes that were ended by an abort, as
	// hashes of the abort, the node and its request: they are not taken up again
	// while all three stand.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2000
	AbortedNodes []string `json:"abortedNodes,omitempty"`
	// seen are the other requests of the pool that were answered and still stand, as
	// hashes: they are not taken up again when this record is another's.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Seen []string `json:"seen,omitempty"`
	// rolledBack is the value of annotation tidemill.dev/upgrade-to that a rollback
	// has undone: it is not taken up again.
	// +optional
	RolledBack string `json:"rolledBack,omitempty"`
	// previous is where a rollback of the run leads.
	// +optional
	Previous *ReleaseStatus `json:"previous,omitempty"`
	// target identifies what the pool gave new nodes in a run for drift: a node
	// born later does not differ from that.
	// +optional
	Target string `json:"target,omitempty"`
}
