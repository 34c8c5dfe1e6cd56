package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DrainTimeoutAction says what becomes of a node that refuses to become empty.
// +kubebuilder:validation:Enum=Skip;Quarantine;Pause;Force
type DrainTimeoutAction string

const (
	// DrainSkip gives the node back, uncordoned, and tries it again after all
	// others. The default.
	DrainSkip DrainTimeoutAction = "Skip"
	// DrainQuarantine leaves the node cordoned and goes on asking, while others
	// are taken. Its stand-in stays with it, so that no more nodes are quarantined
	// than maxSurge and maxUnavailable together leave one to work with; the rest
	// are skipped.
	DrainQuarantine DrainTimeoutAction = "Quarantine"
	// DrainPause begins no other node as long as this one is stuck.
	DrainPause DrainTimeoutAction = "Pause"
	// DrainForce deletes pods that the Eviction API refuses, one at a time, while
	// a window is open. It needs the ClusterRole tidemill-force, which nothing
	// binds unless a person does.
	DrainForce DrainTimeoutAction = "Force"
)

// DaemonSetDrain says what a drain does with pods of DaemonSets.
// +kubebuilder:validation:Enum=Leave;Evict
type DaemonSetDrain string

const (
	// DaemonSetsLeave lets them end with their node. The default.
	DaemonSetsLeave DaemonSetDrain = "Leave"
	// DaemonSetsEvict evicts them when all others have gone, for those that have
	// something to put in order when they end.
	DaemonSetsEvict DaemonSetDrain = "Evict"
)

// DrainSpec tunes how a node is emptied.
//
// +kubebuilder:validation:XValidation:rule="!has(self.forceAfter) || (has(self.onTimeout) && self.onTimeout == 'Force')",message="forceAfter needs onTimeout Force"
type DrainSpec struct {
	// timeout is how long a node may refuse to become empty before onTimeout
	// says what is done. Default 30m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// onTimeout is Skip, Quarantine, Pause or Force. Default Skip.
	// +optional
	OnTimeout DrainTimeoutAction `json:"onTimeout,omitempty"`
	// forceAfter is how long after the timeout onTimeout Force begins to delete
	// pods against their budgets. Default 0s.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	ForceAfter *metav1.Duration `json:"forceAfter,omitempty"`
	// waitForJobs is how long pods of Jobs may take to complete before they are
	// evicted like any others; the timeout counts from then. Absent means that
	// they are evicted at once.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	WaitForJobs *metav1.Duration `json:"waitForJobs,omitempty"`
	// loadBalancerDwell is how long a node that load balancers send traffic to
	// stands, excluded from them, before what serves that traffic leaves. 0s
	// leaves load balancers alone. Default 60s.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	LoadBalancerDwell *metav1.Duration `json:"loadBalancerDwell,omitempty"`
	// daemonSets is Leave or Evict. Default Leave.
	// +optional
	DaemonSets DaemonSetDrain `json:"daemonSets,omitempty"`
}
