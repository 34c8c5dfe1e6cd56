package drain

// Reason says what came of a pod, or why it stays.
type Reason string

// What an eviction is answered with.
const (
	// Evicted: the API server took the eviction.
	Evicted Reason = "Evicted"
	// Gone: the pod, or the pod of this UID, does not exist any more.
	Gone Reason = "Gone"
	// TooManyPDBs: more than one budget selects the pod; the Eviction API refuses
	// such pods for ever.
	TooManyPDBs Reason = "TooManyPDBs"
	// PDBZero: the budget is up to date, all its pods are healthy, and it allows
	// no disruption: nothing will change unless somebody acts.
	PDBZero Reason = "PDBZero"
	// PDBTransient: the budget allows none now, and may soon.
	PDBTransient Reason = "PDBTransient"
	// PDBStale: the budget was changed and its controller has not counted again.
	PDBStale Reason = "PDBStale"
	// UnhealthyPods: the budget has fewer healthy pods than it wants.
	UnhealthyPods Reason = "UnhealthyPods"
	// PeerDrain: the budget is spent on a pod of another node that is being
	// emptied.
	PeerDrain Reason = "PeerDrain"
	// NamespaceTerminating: the namespace is being deleted and takes its pods
	// along.
	NamespaceTerminating Reason = "NamespaceTerminating"
	// Throttled: the API server is busy.
	Throttled Reason = "Throttled"
	// Webhook: an admission webhook refused.
	Webhook Reason = "Webhook"
	// EvictionFailed is any other answer.
	EvictionFailed Reason = "EvictionFailed"
)

// Answers are the reasons that an eviction can be answered with.
var Answers = []Reason{Evicted, Gone, TooManyPDBs, PDBZero, PDBTransient, PDBStale, UnhealthyPods, PeerDrain, NamespaceTerminating,
	Throttled, Webhook, EvictionFailed}

// Why a pod is not asked at all.
const (
	// Unmanaged: no controller would make the pod again.
	Unmanaged Reason = "Unmanaged"
	// DaemonSetGone: the pod's DaemonSet does not exist.
	DaemonSetGone Reason = "DaemonSetGone"
	// DoNotDisrupt: an annotation protects the pod.
	DoNotDisrupt Reason = "DoNotDisrupt"
	// NotSafeToEvict: cluster-autoscaler's annotation does.
	NotSafeToEvict Reason = "NotSafeToEvict"
	// BadAnnotation: the pod's drain annotation means nothing.
	BadAnnotation Reason = "BadAnnotation"
	// LocalVolume: the pod's volume is on the node and would be lost with it.
	LocalVolume Reason = "LocalVolume"
	// NodeSelected: the pod asks for this very host.
	NodeSelected Reason = "NodeSelected"
	// ComesBack: the pod tolerates the cordon and was put here again after it.
	ComesBack Reason = "ComesBack"
)

// Why it is not asked yet.
const (
	// LowerPriorityFirst: ordinary pods leave before critical ones.
	LowerPriorityFirst Reason = "LowerPriorityFirst"
	// VolumeMoving: pods with volumes leave one after another.
	VolumeMoving Reason = "VolumeMoving"
	// Completing: the pod may complete.
	Completing Reason = "Completing"
	// BalancerDwell: load balancers may still send traffic.
	BalancerDwell Reason = "BalancerDwell"
	// Overdue: the pod was to have left, and its kubelet has not ended it.
	Overdue Reason = "Overdue"
	// Settling: the scheduler may still bind what it had chosen the node for.
	Settling Reason = "Settling"
)

// Permanent is whether the reason stands until somebody acts.
func (r Reason) Permanent() bool {
	switch r {
	case TooManyPDBs, PDBZero, Unmanaged, DaemonSetGone, DoNotDisrupt, NotSafeToEvict, BadAnnotation, LocalVolume, NodeSelected, ComesBack:
		return true
	}
	return false
}

// refusal is whether the Eviction API has refused, and a user may want it
// overruled. What a pod's own annotation says never is.
func (r Reason) refusal() bool {
	switch r {
	case TooManyPDBs, PDBZero, PDBTransient, PDBStale, UnhealthyPods, PeerDrain, Webhook:
		return true
	}
	return false
}
