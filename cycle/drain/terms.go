package drain

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// Target is a node to be emptied, and what has to be known to do it.
type Target struct {
	Node *corev1.Node
	// Pods are the node's, from a cache: an eviction is bound to the pod's UID, and
	// nothing that cannot be undone is done before [Drainer.Empty] has looked live.
	Pods []*corev1.Pod
	// Cordoned is since when the node has taken no new pods, Started since when it
	// is being drained, Excluded since when load balancers send it no traffic. A
	// zero time is one that has not come.
	Cordoned, Started, Excluded time.Time
	// Still is an error unless the node is to be emptied yet, by the API server's own
	// word. It is asked at most once a step, before the first pod is; nil is not asked.
	Still func(context.Context) error
	Terms
	Around
}

// Terms are how the user wants it done; the zero value waits for nothing.
type Terms struct {
	// WaitForJobs is how long after Started pods of Jobs may take to complete.
	WaitForJobs time.Duration
	// Dwell is how long after Excluded traffic may still come.
	Dwell time.Duration
	// EvictDaemons says to evict pods of DaemonSets, after all others.
	EvictDaemons bool
	// Force says to delete what the Eviction API refuses, one pod at a time.
	Force bool
}

// Around is the cluster around the node. It may come from a cache: it explains
// and orders, the API server alone decides.
type Around struct {
	DaemonSets  []*appsv1.DaemonSet
	PDBs        []*policyv1.PodDisruptionBudget
	PVCs        []*corev1.PersistentVolumeClaim
	PVs         []*corev1.PersistentVolume
	Attachments []*storagev1.VolumeAttachment
	// Balancers are the Services of type LoadBalancer.
	Balancers []*corev1.Service
	// Peers are the pods of the other nodes that are being emptied.
	Peers []*corev1.Pod
	// Ahead is how far the API server's clock, which dates pods, is ahead of ours.
	Ahead time.Duration
}

// Progress is how far a node is.
type Progress struct {
	// Empty: no pod is left that would have to leave, the cordon is old enough for
	// that to last, volumes are detached, and no traffic is expected.
	Empty bool
	// Left is the number of pods that still have to leave, those included that
	// are on their way.
	Left int
	// Leaving are terminating pods.
	Leaving int
	// Blocked are the pods that do not leave, by namespace and name.
	Blocked []Block
	// Waiting are the pods whose turn has not come, and what the node itself waits
	// for. It goes on by itself.
	Waiting []Block
	// Asked counts this step's evictions by their answer.
	Asked map[Reason]int
	// Forced are the pods that this step deleted against the refusal named.
	Forced []Block
	// Err is why no pod was asked, whose turn it was: what [Target.Still] answered.
	Err error
}

// Block is a pod that does not leave, and why.
type Block struct {
	Pod     string `json:"pod"` // namespace/name; "" for the node as a whole
	Reason  Reason `json:"reason"`
	PDB     string `json:"pdb,omitempty"`
	Message string `json:"message,omitempty"`
}

// String names the pod, the reason and the details.
func (b Block) String() string {
	if b.Pod == "" {
		return string(b.Reason) + ": " + b.Message
	}
	return b.Pod + ": " + string(b.Reason) + ": " + b.Message
}
