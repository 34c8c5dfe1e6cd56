package world

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/skew"
)

// Observer takes Snapshots. It is safe for concurrent use.
type Observer struct {
	// Reader is the informer cache, or a live client in a one-shot command.
	Reader client.Reader
	Fleet  *cloudprovider.Fleet
	// ControlPlane answers the API server's version; nil or "" when unknown.
	ControlPlane func() string

	// Informer, if not nil, is the one behind Reader's pods. Its own objects are then
	// looked at instead of copies, and what is known of them is kept from look to
	// look: 60,000 pods are the bulk of what there is.
	Informer PodInformer

	// Devices, if not nil, reads the objects of dynamic resource allocation; else
	// they are listed from Reader. It never fails a look: see Devices.Away.
	Devices func(context.Context) DeviceObjects

	// Clock, if not nil, knows how far the API server's clock is off.
	Clock *skew.Meter

	// Glance is whether there is but one look: machines are as old then as the cloud
	// says, since nobody has watched them.
	Glance bool

	seen witness // of Nodes and machines; whoever has the turn

	// One look at a time: the verbs' loops would read the same twice. Whoever waits
	// behind a cloud that does not answer can be called off, which a mutex would
	// not allow.
	once sync.Once
	turn chan struct{}
	roll *roll // of the Informer's pods; whoever has the turn
}

// PodInformer is a toolscache.SharedIndexInformer of pods, as far as it is needed.
type PodInformer interface {
	HasSynced() bool
	GetStore() toolscache.Store
}

// Objects are the cluster's side of a look.
type Objects struct {
	Pools          []v1alpha1.Pool
	Nodes          []corev1.Node
	Pods           []corev1.Pod
	PDBs           []policyv1.PodDisruptionBudget
	DaemonSets     []appsv1.DaemonSet
	Namespaces     []corev1.Namespace
	PVCs           []corev1.PersistentVolumeClaim
	PVs            []corev1.PersistentVolume
	StorageClasses []storagev1.StorageClass
	CSINodes       []storagev1.CSINode
	Attachments    []storagev1.VolumeAttachment
	Services       []corev1.Service
	DeviceObjects
}

// Observe looks at both sides. An error means that the cluster could not be
// read and nothing may be decided; a cloud that does not answer is no error but
// Snapshot.CloudErr, since reporting goes on.
func (o *Observer) Observe(ctx context.Context) (*Snapshot, error) {
	o.once.Do(func() { o.turn = make(chan struct{}, 1) })
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another look: %w", ctx.Err())
	}
	// The cloud first: what the cluster shows is then never older than what the
	// cloud shows, and a machine that has just been deleted is not mistaken for
	// one that was lost.
	cloud := o.Fleet.Observe(ctx)
	objects, pods, err := o.read(ctx)
	if err != nil {
		return nil, err
	}
	now, ahead := time.Now(), o.Clock.Ahead()
	o.seen.note(objects.Nodes, now, ahead) // who came first decides whose a machine is
	r := o.roll
	switch {
	case pods == nil:
		pods, r = pointers(objects.Pods), newRoll()
	case r == nil:
		r = newRoll()
		o.roll = r
	}
	s := join(objects, pods, r, cloud, now, &o.seen)
	s.Ahead = ahead
	if !o.Glance {
		o.seen.meet(s)
	}
	o.Fleet.SetBounds(s.bounds())
	if o.ControlPlane != nil {
		s.ControlPlane = o.ControlPlane()
	}
	return s, nil
}

// Pods are all pods of the cluster as they are now, in no order. They are shared
// and must not be changed.
func (o *Observer) Pods(ctx context.Context) ([]*corev1.Pod, error) {
	if pods := o.informed(); pods != nil {
		return pods, nil
	}
	var list corev1.PodList
	if err := o.Reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	out := make([]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, nil
}

// informed are the informer's pods, nil while there is none that knows them all.
func (o *Observer) informed() []*corev1.Pod {
	if o.Informer == nil || !o.Informer.HasSynced() {
		return nil
	}
	list := o.Informer.GetStore().List()
	out := make([]*corev1.Pod, 0, len(list))
	for _, x := range list {
		if p, ok := x.(*corev1.Pod); ok {
			out = append(out, p)
		}
	}
	return out
}

// read reads the cluster's side. Pods that an informer shares are not among the
// Objects.
func (o *Observer) read(ctx context.Context) (Objects, []*corev1.Pod, error) {
	var (
		pools   v1alpha1.PoolList
		nodes   corev1.NodeList
		pods    corev1.PodList
		pdbs    policyv1.PodDisruptionBudgetList
		sets    appsv1.DaemonSetList
		spaces  corev1.NamespaceList
		pvcs    corev1.PersistentVolumeClaimList
		pvs     corev1.PersistentVolumeList
		classes storagev1.StorageClassList
		csi     storagev1.CSINodeList
		att     storagev1.VolumeAttachmentList
		svcs    corev1.ServiceList
	)
	// Pods before Nodes: a Node may then be missing a pod that has just been
	// bound, which only delays, but never have one that the list does not know.
	shared := o.informed()
	for _, list := range []client.ObjectList{&pools, &pods, &nodes, &pdbs, &sets, &spaces, &pvcs, &pvs, &classes, &csi, &att, &svcs} {
		if list == &pods && shared != nil {
			continue
		}
		// Deep copies of 60,000 pods for every look would be most of the work;
		// snapshots are read-only instead.
		if err := o.Reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return Objects{}, nil, fmt.Errorf("list %T: %w", list, err)
		}
	}
	devices := o.Devices
	if devices == nil {
		devices = ListDevices(o.Reader)
	}
	return Objects{
		DeviceObjects: devices(ctx),
		Pools:         pools.Items, Nodes: nodes.Items, Pods: pods.Items, PDBs: pdbs.Items, DaemonSets: sets.Items,
		Namespaces: spaces.Items, PVCs: pvcs.Items, PVs: pvs.Items, StorageClasses: classes.Items, CSINodes: csi.Items,
		Attachments: att.Items, Services: svcs.Items,
	}, shared, nil
}
