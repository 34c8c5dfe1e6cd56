package v1alpha1

// Annotations that a person sets.
const (
	// AnnotationCycle on a Pool or a Node asks for replacement of every node, or
	// of this one. Any new value is a new request, as with kubectl rollout restart.
	// The doctor asks with the same key, for more than replacement: its values
	// read doctor/<action>/<check>/<since>, see internal/kube.RepairRequest.
	AnnotationCycle = "tidemill.dev/cycle"
	// AnnotationUpgradeTo on a Pool names the Kubernetes version ("v1.34.1") to
	// turn the pool over to.
	AnnotationUpgradeTo = "tidemill.dev/upgrade-to"
	// AnnotationPause on a Pool, with any value but "false", stops what disturbs:
	// no node is taken, what is draining stays cordoned and nothing is evicted, no
	// machine goes. The pool still grows for pods that need nodes.
	AnnotationPause = "tidemill.dev/pause"
	// AnnotationAbort on a Pool, with any new value, ends the run under way: what
	// it cordoned is given back, nodes of its own beyond the pool's size go. The
	// request is not taken up again while both annotations stand.
	AnnotationAbort = "tidemill.dev/abort"
	// AnnotationRollback on a Pool, with any new value, turns it back to the
	// release that it had before the run under way, or else the last one.
	AnnotationRollback = "tidemill.dev/rollback"
	// AnnotationApprove on a Pool opens the approval gates of the run that began
	// at its value, RFC 3339 as in status.cycle.startedAt.
	AnnotationApprove = "tidemill.dev/approve"
	// AnnotationDoNotDisrupt on a Node or a pod keeps it where it is: "true", or
	// a duration counted from the object's creation.
	AnnotationDoNotDisrupt = "tidemill.dev/do-not-disrupt"
	// AnnotationDrain on a pod says how a drain treats it: "skip" lets it end with
	// its node, as a DaemonSet's does; "wait", or a duration counted from the
	// beginning of the drain, gives it that long to complete before it is evicted.
	AnnotationDrain = "tidemill.dev/drain"
)

// Marks that tidemill sets, and removes again.
const (
	// AnnotationDisruption on a Node is its one disruption, as JSON; see
	// internal/kube.Mark.
	AnnotationDisruption = "tidemill.dev/disruption"
	// AnnotationUnneededSince on a Node is since when scale-down could do
	// without it, RFC 3339.
	AnnotationUnneededSince = "tidemill.dev/unneeded-since"
	// AnnotationSkippedUntil on a Node is until when its drain is not tried
	// again after a timeout, RFC 3339, and from the second on after how many: each
	// doubles the pause up to an hour. How many of the last ones ran out of time with
	// no other node of the pool being emptied follows. Taken off, it is tried at once.
	AnnotationSkippedUntil = "tidemill.dev/skipped-until"
	// AnnotationRepairs on a Node is the doctor's record of what was done to this
	// machine, as JSON; see internal/kube.RepairRecord.
	AnnotationRepairs = "tidemill.dev/repairs"
	// AnnotationRenewed on a Node is when a run gave its machine a new boot
	// volume, RFC 3339. It stays: what runs there is as old as that, and not as the
	// machine.
	AnnotationRenewed = "tidemill.dev/renewed"
	// AnnotationScaleDownKept on a Node says that tidemill set
	// AnnotationScaleDownDisabled for the time of a run, so that a
	// cluster-autoscaler beside it does not take the run's nodes; its value is what
	// stood there before, "" for nothing.
	AnnotationScaleDownKept = "tidemill.dev/scale-down-kept"
	// LabelExcludeBalancers on a Node with value [Own] keeps load balancers from
	// sending it traffic while it is emptied; any other value is somebody else's.
	LabelExcludeBalancers = "node.kubernetes.io/exclude-from-external-load-balancers"
	// TaintOutOfService on a Node with value [Own] says that its machine is proven
	// not to run, so that its volumes may be used elsewhere at once; any other
	// value is somebody else's.
	TaintOutOfService = "node.kubernetes.io/out-of-service"
	// Own is the value that makes a key of Kubernetes' own tidemill's mark.
	Own = "tidemill"
	// TaintOutdated, PreferNoSchedule, keeps new pods off nodes that a run will
	// replace, without forbidding it: operators that fail over need room.
	TaintOutdated = "tidemill.dev/outdated"
	// NodeConditionProblem is the doctor's verdict on a Node: True means a
	// problem, False means examined and fine, Unknown or absent means not
	// examined; only False lets a new node count as available.
	NodeConditionProblem = "TidemillNodeProblem"
	// NodeConditionHost is what the host says of itself, written by the agent that
	// runs on it: True means a problem, with the checks that fail in its message.
	// It counts while its heartbeat is fresh, and only as evidence: the verdict is
	// NodeConditionProblem.
	NodeConditionHost = "TidemillHostProblem"
)

// Field owners of server-side apply, one per writer.
const (
	OwnerMirror = "tidemill-mirror"
	OwnerScale  = "tidemill-scale"
	OwnerCycle  = "tidemill-cycle"
	OwnerDoctor = "tidemill-doctor"
	OwnerHost   = "tidemill-host"
)

// OCI's and cluster-autoscaler's keys that tidemill honours.
const (
	AnnotationNodePoolID        = "oci.oraclecloud.com/node-pool-id"
	AnnotationScaleDownDisabled = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
	AnnotationScaleUpDelay      = "cluster-autoscaler.kubernetes.io/pod-scale-up-delay"
	AnnotationSafeToEvict       = "cluster-autoscaler.kubernetes.io/safe-to-evict"
	AnnotationSafeToEvictLocal  = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
	LabelFaultDomain            = "oci.oraclecloud.com/fault-domain"
	LabelSelfManaged            = "oci.oraclecloud.com/node.info.byon"
)
