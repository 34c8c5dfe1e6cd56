package sim

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
)

// Block volumes: made in the zone of the node that the first pod with the claim is put
// on, attached to one node at a time, and let go when no pod of that node has them any
// more. A pod with one has the name of its place in a StatefulSet: its successor comes
// when it is gone, and takes the claim over.

const (
	diskClass  = "oci-bv"
	diskDriver = "blockvolume.csi.oraclecloud.com"
	// forcedOff is how long a volume stays at a node that does not answer.
	forcedOff = 6 * time.Minute
)

// makeClass is the cluster's StorageClass.
func (w *World) makeClass() {
	mode, reclaim := storagev1.VolumeBindingWaitForFirstConsumer, corev1.PersistentVolumeReclaimDelete
	w.api.Create(&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: diskClass}, Provisioner: diskDriver, VolumeBindingMode: &mode, ReclaimPolicy: &reclaim})
}

func (a *app) keepsDisks() bool { return a.habit != nil && a.habit.disk }

// claimOf is the claim of a pod with a volume, "" for none.
func claimOf(p *corev1.Pod) string {
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil && p.Namespace == "default" {
			return v.PersistentVolumeClaim.ClaimName
		}
	}
	return ""
}

// freeClaim is the first claim of an app that no pod has, made if there is none yet; ""
// while all its pods are there, be they on their way out.
func (w *World) freeClaim(a *app) string {
	held := map[string]bool{}
	w.api.Each("pods", func(o client.Object) { held[claimOf(o.(*corev1.Pod))] = true })
	for i := range a.replicas {
		name := fmt.Sprintf("disk-%s-%d", a.name, i)
		if held[name] {
			continue
		}
		if w.api.Find("persistentvolumeclaims", "default", name) == nil {
			class, mode := diskClass, corev1.PersistentVolumeFilesystem
			w.api.Create(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
				Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &class, VolumeMode: &mode,
					Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("50Gi")}}},
				Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}})
		}
		return name
	}
	return ""
}

// diskZone is where the claim's volume is, "" while there is none.
func (w *World) diskZone(claim string) string {
	pv, ok := w.api.Find("persistentvolumes", "", "pv-"+claim).(*corev1.PersistentVolume)
	if !ok {
		return ""
	}
	return pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0]
}

// provision is the CSI driver: the claim gets a volume in the zone of its first node.
func (w *World) provision(claim, zone string) {
	if claim == "" || w.diskZone(claim) != "" {
		return
	}
	c, ok := w.api.Find("persistentvolumeclaims", "default", claim).(*corev1.PersistentVolumeClaim)
	if !ok {
		return
	}
	term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}}}
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + claim},
		Spec: corev1.PersistentVolumeSpec{AccessModes: c.Spec.AccessModes, Capacity: c.Spec.Resources.Requests, StorageClassName: diskClass, VolumeMode: c.Spec.VolumeMode, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef:               &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: "default", Name: claim, UID: c.UID},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: diskDriver, VolumeHandle: "ocid1.volume.oc1.iad." + claim}},
			NodeAffinity:           &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}}}},
		Status: corev1.PersistentVolumeStatus{Phase: corev1.VolumeBound}}
	w.api.Create(pv)
	w.api.Edit(c, func(o client.Object) {
		c := o.(*corev1.PersistentVolumeClaim)
		c.Spec.VolumeName, c.Status.Phase = pv.Name, corev1.ClaimBound
		c.Annotations = map[string]string{"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
	})
}

// attached is whether the pod's volume, if it has one, is at its node.
func (w *World) attached(p *corev1.Pod) bool {
	claim := claimOf(p)
	va, ok := w.api.Find("volumeattachments", "", "va-"+claim).(*storagev1.VolumeAttachment)
	return claim == "" || ok && va.Spec.NodeName == p.Spec.NodeName
}

// tickDisks is the attach-detach controller.
func (w *World) tickDisks(now time.Time) {
	if !slices.ContainsFunc(w.apps, (*app).keepsDisks) {
		return
	}
	users := map[string][]*corev1.Pod{} // by claim
	w.api.Each("pods", func(o client.Object) {
		if p := o.(*corev1.Pod); p.Spec.NodeName != "" && claimOf(p) != "" {
			users[claimOf(p)] = append(users[claimOf(p)], p)
		}
	})
	w.api.Each("persistentvolumeclaims", func(o client.Object) {
		if claim := o.GetName(); w.diskZone(claim) != "" {
			w.attach(claim, users[claim], now)
		}
	})
}

func (w *World) attach(claim string, users []*corev1.Pod, now time.Time) {
	va, there := w.api.Find("volumeattachments", "", "va-"+claim).(*storagev1.VolumeAttachment)
	if there {
		for _, p := range users {
			if p.Spec.NodeName == va.Spec.NodeName {
				delete(w.unused, claim)
				return
			}
		}
		if w.unused[claim].IsZero() {
			w.unused[claim] = now
		}
		n, ok := w.api.Find("nodes", "", va.Spec.NodeName).(*corev1.Node)
		if at := w.unused[claim].Add(forcedOff); ok && !nodeReady(n) && now.Before(at) {
			w.soon(at)
			return
		}
		w.api.Remove(va)
		delete(w.unused, claim)
	}
	if len(users) == 0 {
		return
	}
	pv := "pv-" + claim
	w.api.Create(&storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "va-" + claim},
		Spec:   storagev1.VolumeAttachmentSpec{Attacher: diskDriver, NodeName: users[0].Spec.NodeName, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &pv}},
		Status: storagev1.VolumeAttachmentStatus{Attached: true}})
	w.moved = true
}

// noPlace is whether the pool's run waits since the volume of a pod that it would have to
// move can follow to no other node, says so, and that is true: where no node may be
// missing, a person has to decide.
func (w *World) noPlace(p *v1alpha1.Pool) bool {
	run, spec := p.Status.Cycle, p.Spec.Cycle
	if run == nil || spec == nil || spec.MaxUnavailable != nil && spec.MaxUnavailable.IntValue() > 0 || spec.Fallback != nil && spec.Fallback.Unavailable {
		return false
	}
	return slices.ContainsFunc(run.Blocked, func(b v1alpha1.BlockedNode) bool {
		return b.Reason == string(cycle.NoPlaceForVolume) && w.keepsDisk(b.Node)
	})
}

// keepsDisk is whether a pod of the node has a volume and no other node that has room is
// in its zone.
func (w *World) keepsDisk(node string) bool {
	rooms, _ := w.rooms()
	rooms = slices.DeleteFunc(rooms, func(r *room) bool { return r.node.Name == node })
	found := false
	w.api.Each("pods", func(o client.Object) {
		p := o.(*corev1.Pod)
		found = found || p.Spec.NodeName == node && claimOf(p) != "" && w.roomiest(p, rooms) == nil
	})
	return found
}
