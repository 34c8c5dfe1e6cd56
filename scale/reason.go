package scale

// Reason is why something is not done. The words are part of what users see in
// events, status, metrics and plans, and are not changed lightly.
type Reason string

// Why a pod is not helped.
const (
	// PodGated: the pod has scheduling gates; whoever set them is not done.
	PodGated Reason = "PodGated"
	// OtherScheduler: another scheduler is responsible, whose rules are unknown.
	OtherScheduler Reason = "OtherScheduler"
	// LowPriority: the pod is below the cutoff and waits for room to fall free.
	LowPriority Reason = "LowPriority"
	// Preempting: the scheduler is making room for the pod on a node.
	Preempting Reason = "Preempting"
	// DaemonSetPod: the pod belongs to one node; no other node would help it.
	DaemonSetPod Reason = "DaemonSetPod"
	// DynamicResources: the pod has resource claims, and the cluster's devices are
	// not known.
	DynamicResources Reason = "DynamicResources"
	// NoPool: no pool may be scaled.
	NoPool Reason = "NoPool"
	// PodDelayed: the pod is younger than pools grow for.
	PodDelayed Reason = "PodDelayed"
	// GroupIncomplete: the pod is of use only with others, not all of which can be
	// helped.
	GroupIncomplete Reason = "GroupIncomplete"
	// NoRoomNow: the pod only asks whether there is room, and there is none.
	NoRoomNow Reason = "NoRoomNow"
	// NoPoolFits: the pod fits a new node of none of the pools.
	NoPoolFits Reason = "NoPoolFits"
)

// Why a pool does not grow for a pod, or at all.
const (
	// DoesNotFit: the pod does not fit a new node; the message has the
	// scheduler's plugin and words.
	DoesNotFit Reason = "DoesNotFit"
	// DevicesUnknown: the pod asks for devices, and which of them a new node of the
	// pool has is not known before one has shown it.
	DevicesUnknown Reason = "DevicesUnknown"
	// ScaleOff: the Pool has no scale part.
	ScaleOff Reason = "ScaleOff"
	// CloudUnavailable: the cloud does not answer, for this pool or at all.
	CloudUnavailable Reason = "CloudUnavailable"
	// NoPlacement: the cloud names no place for a new node of the pool.
	NoPlacement Reason = "NoPlacement"
	// BackedOff: growth failed and is not tried again yet.
	BackedOff Reason = "BackedOff"
	// PoolAtMax: the pool has as many nodes as it may.
	PoolAtMax Reason = "PoolAtMax"
	// PoolAtMaxCores, PoolAtMaxMemory, PoolAtMaxGPUs, PoolAtMaxSpend: another node
	// would pass the Pool's own limit.
	PoolAtMaxCores  Reason = "PoolAtMaxCores"
	PoolAtMaxMemory Reason = "PoolAtMaxMemory"
	PoolAtMaxGPUs   Reason = "PoolAtMaxGPUs"
	PoolAtMaxSpend  Reason = "PoolAtMaxSpend"
	// ClusterAtMaxNodes and so on: another node would pass a limit of the cluster.
	ClusterAtMaxNodes  Reason = "ClusterAtMaxNodes"
	ClusterAtMaxCores  Reason = "ClusterAtMaxCores"
	ClusterAtMaxMemory Reason = "ClusterAtMaxMemory"
	ClusterAtMaxGPUs   Reason = "ClusterAtMaxGPUs"
	ClusterAtMaxSpend  Reason = "ClusterAtMaxSpend"
	// Runaway: the pool's new nodes do not take the pods they were made for.
	Runaway Reason = "Runaway"
	// PoolCycling: a run is under way; it has yet to take up growth already
	// asked of it, or stands still, or, for a node, scale-down waits for its end.
	PoolCycling Reason = "PoolCycling"
	// PoolChanged: what was decided on is an old view of the Pool, which has changed or
	// is gone. Nothing is done before the change has come this far.
	PoolChanged Reason = "PoolChanged"
	// Unconfirmed: the Pool could not be read once more before something is done in it.
	Unconfirmed Reason = "Unconfirmed"
	// ZoneNotNext: the pod can run in some of the pool's zones only, and the cloud, which
	// chooses the zone of a new node, would fill too many others before.
	ZoneNotNext Reason = "ZoneNotNext"
	// NextLook: the pod would fit, but not together with what else was decided.
	NextLook Reason = "NextLook"
)

// Why a node stays.
const (
	// ScaleDownOff: the Pool's scale.down is disabled.
	ScaleDownOff Reason = "ScaleDownOff"
	// ScaleDownDisabled: the Node's annotation forbids it.
	ScaleDownDisabled Reason = "ScaleDownDisabled"
	// DoNotDisrupt: an annotation of the node or of a pod on it forbids it.
	DoNotDisrupt Reason = "DoNotDisrupt"
	// NotAvailable: the node is not in service, so it is not scale's to judge.
	NotAvailable Reason = "NotAvailable"
	// Disrupted: the node is marked already.
	Disrupted Reason = "Disrupted"
	// PoolPaused: a person has stopped disruption of the pool.
	PoolPaused Reason = "PoolPaused"
	// PoolAtMin: the pool has as few nodes as it may.
	PoolAtMin Reason = "PoolAtMin"
	// Young: the node has only just come.
	Young Reason = "Young"
	// PodsPending: pods are being helped in this look; who is idle shows later.
	PodsPending Reason = "PodsPending"
	// Needed: the node is used above the threshold.
	Needed Reason = "Needed"
	// NeededForMoves: pods of another leaving node are to move here.
	NeededForMoves Reason = "NeededForMoves"
	// MinReplicasReached: a pod's controller has fewer replicas than are touched.
	MinReplicasReached Reason = "MinReplicasReached"
	// OnCompletion: a pod's annotation asks to let it run to its end.
	OnCompletion Reason = "OnCompletion"
	// NotReplicated: a pod has no controller that would make it anew.
	NotReplicated Reason = "NotReplicated"
	// NotSafeToEvict: a pod's annotation forbids its eviction.
	NotSafeToEvict Reason = "NotSafeToEvict"
	// SystemPod: a young pod of kube-system has no PodDisruptionBudget that says
	// how many of its kind may be missing.
	SystemPod Reason = "SystemPod"
	// LocalStorage: a pod keeps data on the node.
	LocalStorage Reason = "LocalStorage"
	// PDBExhausted: a PodDisruptionBudget allows no further disruption.
	PDBExhausted Reason = "PDBExhausted"
	// PDBConflict: several budgets cover a pod; the API server refuses to evict it.
	PDBConflict Reason = "PDBConflict"
	// ZoneLoss: without the node the pods of one zone would not fit in the others.
	ZoneLoss Reason = "ZoneLoss"
	// Replacing: a cheaper node is on its way, or asked for, to carry its pods.
	Replacing Reason = "Replacing"
	// NoPlaceForPod: a pod fits no other node.
	NoPlaceForPod Reason = "NoPlaceForPod"
	// NotExamined: this look tried as many nodes as it may.
	NotExamined Reason = "NotExamined"
	// CoolingDown: the pool was raised, lowered or failed to grow a moment ago.
	CoolingDown Reason = "CoolingDown"
	// ClusterAtMin: a limit of the cluster says to keep as much.
	ClusterAtMin Reason = "ClusterAtMin"
	// NotYet: unneeded, but not for long enough.
	NotYet Reason = "NotYet"
	// TooManyLeaving: as many nodes are leaving as may at one time.
	TooManyLeaving Reason = "TooManyLeaving"
	// Braked: so many nodes are broken that a common cause is likely.
	Braked Reason = "Braked"
)

// Why a node goes; also the reason of its mark.
const (
	// Empty: nothing but DaemonSet pods runs there.
	Empty Reason = "Empty"
	// Underused: little runs there, and all of it fits elsewhere.
	Underused Reason = "Underused"
	// Cheaper: all that runs there fits on nodes that cost less.
	Cheaper Reason = "Cheaper"
	// Unready: the node has been down for long.
	Unready Reason = "Unready"
	// NeverReady: the machine registered and has never been Ready.
	NeverReady Reason = "NeverReady"
	// NeverRegistered: the machine runs and has not become a Node.
	NeverRegistered Reason = "NeverRegistered"
)

// Why a leaving node is kept after all.
const (
	// PodsNeedIt: pending pods fit it once it is schedulable again.
	PodsNeedIt Reason = "PodsNeedIt"
	// BelowMin: without it the pool would be smaller than it may be.
	BelowMin Reason = "BelowMin"
	// NoLongerUnneeded: what made it removable does not hold any more.
	NoLongerUnneeded Reason = "NoLongerUnneeded"
)
