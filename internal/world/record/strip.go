package record

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/world"
)

// kept are the prefixes of annotations that decisions read.
var kept = []string{
	"tidemill.dev/", "cluster-autoscaler.kubernetes.io/", "cluster-autoscaler.k8s.io/", "autoscaling.x-k8s.io/",
	"oci.oraclecloud.com/node-pool-id", corev1.MirrorPodAnnotationKey, "volume.kubernetes.io/", "pv.kubernetes.io/",
	"storageclass.kubernetes.io/", resourcev1.ExtendedResourceClaimAnnotation, "scheduling.", "pod-group.scheduling.", "kueue.x-k8s.io/",
}

// meta keeps what identifies an object and what decisions read of it.
func meta(m metav1.ObjectMeta) metav1.ObjectMeta {
	out := metav1.ObjectMeta{
		Name: m.Name, Namespace: m.Namespace, UID: m.UID, Generation: m.Generation, Labels: m.Labels,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp, DeletionGracePeriodSeconds: m.DeletionGracePeriodSeconds,
		OwnerReferences: m.OwnerReferences,
	}
	for key, value := range m.Annotations {
		for _, prefix := range kept {
			if strings.HasPrefix(key, prefix) {
				if out.Annotations == nil {
					out.Annotations = map[string]string{}
				}
				out.Annotations[key] = value
				break
			}
		}
	}
	return out
}

func strippedNode(n *corev1.Node) corev1.Node {
	return corev1.Node{
		ObjectMeta: meta(n.ObjectMeta),
		Spec:       corev1.NodeSpec{ProviderID: n.Spec.ProviderID, Unschedulable: n.Spec.Unschedulable, Taints: n.Spec.Taints},
		Status: corev1.NodeStatus{
			Capacity: n.Status.Capacity, Allocatable: n.Status.Allocatable, Conditions: n.Status.Conditions,
			VolumesInUse: n.Status.VolumesInUse, VolumesAttached: n.Status.VolumesAttached, NodeInfo: n.Status.NodeInfo,
			Features: n.Status.Features, DeclaredFeatures: n.Status.DeclaredFeatures,
		},
	}
}

func strippedPod(p *corev1.Pod) corev1.Pod {
	out := corev1.Pod{ObjectMeta: meta(p.ObjectMeta), Spec: strippedSpec(&p.Spec)}
	s := &p.Status
	out.Status = corev1.PodStatus{Phase: s.Phase, Reason: s.Reason, NominatedNodeName: s.NominatedNodeName, StartTime: s.StartTime, Resources: s.Resources, AllocatedResources: s.AllocatedResources}
	for _, c := range s.Conditions {
		c.Message = ""
		out.Status.Conditions = append(out.Status.Conditions, c)
	}
	out.Status.ResourceClaimStatuses, out.Status.ExtendedResourceClaimStatus = s.ResourceClaimStatuses, s.ExtendedResourceClaimStatus
	out.Status.ContainerStatuses = statuses(s.ContainerStatuses)
	out.Status.InitContainerStatuses = statuses(s.InitContainerStatuses)
	return out
}

// statuses keeps what a container has been given, which may be more than it now
// asks for.
func statuses(list []corev1.ContainerStatus) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for i := range list {
		if list[i].Resources != nil || list[i].AllocatedResources != nil {
			out = append(out, corev1.ContainerStatus{Name: list[i].Name, Resources: list[i].Resources, AllocatedResources: list[i].AllocatedResources})
		}
	}
	return out
}

// strippedSpec keeps how a pod is scheduled and drops what it runs.
func strippedSpec(s *corev1.PodSpec) corev1.PodSpec {
	return corev1.PodSpec{
		NodeName: s.NodeName, NodeSelector: s.NodeSelector, Affinity: s.Affinity, Tolerations: s.Tolerations, SchedulerName: s.SchedulerName,
		TopologySpreadConstraints: s.TopologySpreadConstraints, SchedulingGates: s.SchedulingGates, Overhead: s.Overhead, Resources: s.Resources,
		Priority: s.Priority, PriorityClassName: s.PriorityClassName, PreemptionPolicy: s.PreemptionPolicy, RestartPolicy: s.RestartPolicy,
		TerminationGracePeriodSeconds: s.TerminationGracePeriodSeconds, HostNetwork: s.HostNetwork, OS: s.OS, ResourceClaims: s.ResourceClaims,
		InitContainers: containers(s.InitContainers), Containers: containers(s.Containers), Volumes: volumes(s.Volumes),
	}
}

func containers(list []corev1.Container) []corev1.Container {
	var out []corev1.Container
	for i := range list {
		c := &list[i]
		kept := corev1.Container{Name: c.Name, Resources: c.Resources, RestartPolicy: c.RestartPolicy}
		for _, p := range c.Ports {
			if p.HostPort > 0 {
				kept.Ports = append(kept.Ports, p)
			}
		}
		out = append(out, kept)
	}
	return out
}

// volumes keeps what decides where a pod may run. What is made anew on any node
// keeps its kind only.
func volumes(list []corev1.Volume) []corev1.Volume {
	var out []corev1.Volume
	for _, v := range list {
		switch {
		case v.Secret != nil:
			v.VolumeSource = corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{}}
		case v.ConfigMap != nil:
			v.VolumeSource = corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}
		case v.Projected != nil:
			v.VolumeSource = corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}
		case v.DownwardAPI != nil:
			v.VolumeSource = corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{}}
		case v.HostPath != nil:
			v.VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}}
		case v.CSI != nil:
			v.VolumeSource = corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: v.CSI.Driver}}
		}
		out = append(out, v)
	}
	return out
}

func strippedDaemonSet(d *appsv1.DaemonSet) appsv1.DaemonSet {
	out := appsv1.DaemonSet{ObjectMeta: meta(d.ObjectMeta)}
	out.Spec.Selector = d.Spec.Selector
	out.Spec.Template.ObjectMeta = meta(d.Spec.Template.ObjectMeta)
	out.Spec.Template.Spec = strippedSpec(&d.Spec.Template.Spec)
	return out
}

// addOthers adds what is neither node, pod nor Pool.
func (r *Record) addOthers(s *world.Snapshot) {
	for _, x := range s.PDBs {
		c := *x
		c.ObjectMeta = meta(x.ObjectMeta)
		c.Status.Conditions, c.Status.DisruptedPods = nil, nil
		r.Objects.PDBs = append(r.Objects.PDBs, c)
	}
	for _, x := range s.DaemonSets {
		r.Objects.DaemonSets = append(r.Objects.DaemonSets, strippedDaemonSet(x))
	}
	for _, x := range s.Namespaces {
		c := *x
		c.ObjectMeta = meta(x.ObjectMeta)
		r.Objects.Namespaces = append(r.Objects.Namespaces, c)
	}
	for _, x := range s.PVCs {
		c := *x
		c.ObjectMeta = meta(x.ObjectMeta)
		r.Objects.PVCs = append(r.Objects.PVCs, c)
	}
	for _, x := range s.PVs {
		c := *x
		c.ObjectMeta = meta(x.ObjectMeta)
		if c.Spec.CSI != nil {
			csi := *c.Spec.CSI
			csi.VolumeAttributes, csi.NodeStageSecretRef, csi.NodePublishSecretRef = nil, nil, nil
			csi.ControllerPublishSecretRef, csi.ControllerExpandSecretRef, csi.NodeExpandSecretRef = nil, nil, nil
			c.Spec.CSI = &csi
		}
		r.Objects.PVs = append(r.Objects.PVs, c)
	}
	for _, x := range s.StorageClasses {
		c := *x
		c.ObjectMeta = meta(x.ObjectMeta)
		c.Parameters, c.MountOptions = nil, nil
		r.Objects.StorageClasses = append(r.Objects.StorageClasses, c)
	}
	for _, x := range s.CSINodes {
		c := *x
		c.ObjectMeta = meta(x.ObjectMeta)
		r.Objects.CSINodes = append(r.Objects.CSINodes, c)
	}
	r.addTraffic(s)
	r.addDevices(s.Devices)
}

// addDevices adds what dynamic resource allocation goes by. What drivers are
// configured with, and what they say of a device that is in use, stays behind.
func (r *Record) addDevices(d world.Devices) {
	r.Objects.DevicesAway = d.Away
	for _, x := range d.Claims {
		c := *x
		c.ObjectMeta = meta(x.ObjectMeta)
		c.Spec.Devices.Config, c.Status.Devices = nil, nil
		if x.Status.Allocation != nil {
			c.Status.Allocation = x.Status.Allocation.DeepCopy()
			c.Status.Allocation.Devices.Config = nil
		}
		r.Objects.ResourceClaims = append(r.Objects.ResourceClaims, c)
	}
	for _, x := range d.Templates {
		c := *x
		c.ObjectMeta, c.Spec.ObjectMeta = meta(x.ObjectMeta), meta(x.Spec.ObjectMeta)
		c.Spec.Spec.Devices.Config = nil
		r.Objects.ResourceClaimTemplates = append(r.Objects.ResourceClaimTemplates, c)
	}
	for _, x := range d.Classes {
		c := *x
		c.ObjectMeta = meta(x.ObjectMeta)
		c.Spec.Config = nil
		r.Objects.DeviceClasses = append(r.Objects.DeviceClasses, c)
	}
	for _, x := range d.Slices {
		c := *x
		c.ObjectMeta = meta(x.ObjectMeta)
		r.Objects.ResourceSlices = append(r.Objects.ResourceSlices, c)
	}
}

// addTraffic adds what is attached to nodes, and what sends traffic to them.
func (r *Record) addTraffic(s *world.Snapshot) {
	for _, x := range s.Attachments {
		c := *x
		c.ObjectMeta = meta(x.ObjectMeta)
		c.Status = storagev1.VolumeAttachmentStatus{Attached: x.Status.Attached}
		r.Objects.Attachments = append(r.Objects.Attachments, c)
	}
	for _, x := range s.Balancers {
		c := corev1.Service{ObjectMeta: meta(x.ObjectMeta)}
		c.Spec = corev1.ServiceSpec{Type: x.Spec.Type, Selector: x.Spec.Selector, ExternalTrafficPolicy: x.Spec.ExternalTrafficPolicy}
		r.Objects.Services = append(r.Objects.Services, c)
	}
}
