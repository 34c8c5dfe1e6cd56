// Package world is one consistent look at the cluster and the cloud. Every verb
// decides on a [Snapshot] and on nothing else.
//
//	cluster (informer cache) ─┐
//	                          ├─► Observer.Observe ─► *Snapshot ─► Decide (pure)
//	cloud (Fleet, with age)  ─┘
//
// The look joins the two sides: each [Node] is an instance of the cloud, a Node
// of Kubernetes, or both, matched by provider ID and never by name. Where a
// node is in its life is derived from what is seen ([Node.Stage]), so that a
// restarted daemon knows as much as one that ran all along.
//
// A Snapshot is read-only and everything in it is sorted, so that the same
// world gives the same plan in the same order. Objects are shared with the
// informer cache: whoever changes one copies it first.
package world

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
)

// Snapshot is the world at one moment.
type Snapshot struct {
	// Now is when the look was taken; decisions use it as the time.
	Now time.Time
	// Ahead is how far the API server's clock is ahead of ours; see Ours and Theirs.
	Ahead time.Duration
	// CloudObserved is when the cloud's side was read, and CloudErr why it is not
	// from now: with CloudErr set nothing may be disrupted or grown.
	CloudObserved time.Time
	CloudErr      error
	// ControlPlane is the API server's version ("v1.36.3"), "" if unknown.
	ControlPlane string

	// Pools are the node pools of the cloud in order of their Pool's name.
	Pools []*Pool
	// Orphans are Pool objects with no node pool to stand for: deleted in the
	// cloud, misspelt, a second claim on one, or not known while the cloud does
	// not answer. In order of name; with those in Pools they are all there are.
	Orphans []Orphan
	// Unmanaged are Nodes of no pool (self-managed, virtual), by name. Their
	// room counts for pods; they are never touched.
	Unmanaged []*Node

	// Pending are pods without a node that are not terminating, by namespace
	// and name.
	Pending []*corev1.Pod
	// PDBs, DaemonSets, Namespaces and the storage objects are sorted by
	// namespace and name.
	PDBs           []*policyv1.PodDisruptionBudget
	DaemonSets     []*appsv1.DaemonSet
	Namespaces     []*corev1.Namespace
	PVCs           []*corev1.PersistentVolumeClaim
	PVs            []*corev1.PersistentVolume
	StorageClasses []*storagev1.StorageClass
	CSINodes       []*storagev1.CSINode
	// Attachments are the volumes that are attached, or on their way, by node.
	Attachments []*storagev1.VolumeAttachment
	// Balancers are the Services of type LoadBalancer.
	Balancers []*corev1.Service
	// Devices are what dynamic resource allocation goes by.
	Devices Devices
}

// Devices are the objects of resource.k8s.io, each kind by namespace and name.
type Devices struct {
	Claims    []*resourcev1.ResourceClaim
	Templates []*resourcev1.ResourceClaimTemplate
	Classes   []*resourcev1.DeviceClass
	Slices    []*resourcev1.ResourceSlice
	// Away is why they are not known, "" when they are. Whatever asks for a device
	// can then not be judged; everything else can.
	Away string
}

// Orphan is a Pool object without a node pool of its own, and why.
type Orphan struct {
	Object  *v1alpha1.Pool
	Reason  OrphanReason
	Message string
	// Nodes are those of its node pool as far as Kubernetes tells, while the cloud
	// has not answered: see unheard.go. They are among the Unmanaged as well.
	Nodes []*Node
}

// OrphanReason says why a Pool has no node pool. It is also the reason of the
// Pool's Ready condition.
type OrphanReason string

const (
	// NodePoolNotFound: no node pool has this OCID or name.
	NodePoolNotFound OrphanReason = "NodePoolNotFound"
	// NodePoolClaimedTwice: another Pool that names the same node pool goes
	// before: it opted in and this one did not, or holds it, or is older.
	NodePoolClaimedTwice OrphanReason = "NodePoolClaimedTwice"
	// NodePoolNameAmbiguous: several node pools have this name.
	NodePoolNameAmbiguous OrphanReason = "NodePoolNameAmbiguous"
	// CloudUnavailable: the cloud has not answered, so whether the node pool is
	// there is not known. Nothing follows from it.
	CloudUnavailable OrphanReason = "CloudUnavailable"
)

// Pool is a node pool: the user's object, the cloud's, and the nodes.
type Pool struct {
	// Name is the Pool object's, or the cloud's while there is no object.
	Name string
	// Object is the user's Pool, the one whose claim stands if there are several;
	// nil until discovery has made it: then no verb may act.
	Object *v1alpha1.Pool
	// Cloud is the cloud's side, its templates corrected by what was learned.
	Cloud cloudprovider.NodePool
	// Learned are the lessons that corrected them, for the mirror to keep.
	Learned []v1alpha1.LearnedTemplate
	// Slices are the devices that a new node will publish, as far as a node of
	// today shows it; nil when none does. See TemplateSlices.
	Slices []*resourcev1.ResourceSlice
	// Nodes are in order of instance ID, then name.
	Nodes []*Node
}

// A virtual pool has no spec for any verb, whatever its Pool object says: that is
// what keeps all of them from it.

// ScaleSpec is the pool's scale spec, nil when scaling is off.
func (p *Pool) ScaleSpec() *v1alpha1.ScaleSpec {
	if p.Object == nil || p.Cloud.Virtual {
		return nil
	}
	return p.Object.Spec.Scale
}

// CycleSpec is the pool's cycle spec, nil when cycling is off.
func (p *Pool) CycleSpec() *v1alpha1.CycleSpec {
	if p.Object == nil || p.Cloud.Virtual || p.Object.Spec.Cycle == nil || p.Object.Spec.Cycle.Mode == v1alpha1.CycleOff {
		return nil
	}
	return p.Object.Spec.Cycle
}

// RepairSpec is the pool's repair spec, nil when repair is off.
func (p *Pool) RepairSpec() *v1alpha1.RepairSpec {
	if p.Object == nil || p.Cloud.Virtual || p.Object.Spec.Repair == nil || p.Object.Spec.Repair.Mode == v1alpha1.RepairOff {
		return nil
	}
	return p.Object.Spec.Repair
}

// Run is the record of the cycle run under way, nil when there is none.
func (p *Pool) Run() *v1alpha1.CycleStatus {
	if p.Object == nil {
		return nil
	}
	return p.Object.Status.Cycle
}

// Desired is the pool's size without surge: the run's record while one is under
// way, else what was asked of the cloud.
func (p *Pool) Desired() int {
	if run := p.Run(); run != nil {
		return int(run.Desired)
	}
	return p.Cloud.Size
}

// Paused is whether a person has stopped disruption of this pool.
func (p *Pool) Paused() bool {
	if p.Object == nil {
		return false
	}
	v, ok := p.Object.Annotations[v1alpha1.AnnotationPause]
	return ok && v != "false"
}

// Node is a machine as both sides see it. At least one of Instance and Object
// is set.
type Node struct {
	// Instance is the cloud's side; nil when the cloud does not list it.
	Instance *cloudprovider.Instance
	// Object is Kubernetes' side; nil until the machine has registered.
	Object *corev1.Node
	// Pods are those bound to the node, terminal ones included, by namespace and
	// name.
	Pods []*corev1.Pod
	// Mark is the disruption the node is in; nil when none. MarkErr is set when
	// there is one that cannot be read: the node is then left alone.
	Mark    *kube.Mark
	MarkErr error

	born, turned time.Time // see seen.go; zero if nobody watches
	made, met    time.Time // see arrival.go; likewise
}
