package main

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/world/lean"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// scene is a small world in which one field decides. Node idle has a pod and has
// been unneeded for long, node busy has room for this pod: so idle goes, unless
// the field says otherwise.
type scene struct {
	*worldtest.World
	idle, busy  *corev1.Node
	pod, beside *corev1.Pod // on idle and on busy
}

func newScene() *scene {
	w := worldtest.New()
	w.Objects.Nodes, w.Objects.Pods = make([]corev1.Node, 0, 8), make([]corev1.Pod, 0, 16) // what was added stays where it is
	w.AddPool("workers", "4", "16Gi", worldtest.Scale(0, 9), func(p *v1alpha1.Pool) {
		none := intstr.FromInt(0)
		p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand, MaxUnavailable: &none}
	})
	s := &scene{World: w, idle: w.AddNode("workers", "idle"), busy: w.AddNode("workers", "busy")}
	s.idle.Labels["disk"], s.idle.Annotations[v1alpha1.AnnotationUnneededSince] = "ssd", w.Now.Add(-time.Hour).Format(time.RFC3339)
	s.pod = w.AddPod("moved", "500m", "1Gi", worldtest.On("idle"), worldtest.OwnedBy("ReplicaSet", "moved"), worldtest.Labels[*corev1.Pod]("app", "moved"))
	s.beside = w.AddPod("beside", "3", "1Gi", worldtest.On("busy"), worldtest.OwnedBy("ReplicaSet", "beside"), worldtest.Labels[*corev1.Pod]("app", "beside"))
	return s
}

// apart is what keeps a pod away from those of an app.
func apart(app string) *corev1.PodAntiAffinity {
	return &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: others(app)}
}

func others(app string) []corev1.PodAffinityTerm {
	return []corev1.PodAffinityTerm{{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}, TopologyKey: corev1.LabelHostname}}
}

func cores(n string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(n)}
}

// hosted is a container's port of the host.
func hosted() []corev1.ContainerPort {
	return []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80, Protocol: corev1.ProtocolTCP}}
}

// budget is one of pods of app "moved" that allows nothing.
func (s *scene) budget() {
	b := policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: "default"}}
	b.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "moved"}}
	s.Objects.PDBs = append(s.Objects.PDBs, b)
}

// evicted are three pods that the kubelet ended: with fewer the doctor is content.
// They are two hours old, so that only the later dates count.
func (s *scene) evicted(when func(*corev1.PodStatus, metav1.Time)) {
	for i := range 3 {
		p := s.AddPod(fmt.Sprintf("evicted-%d", i), "1m", "1Mi", worldtest.On("busy"), worldtest.OwnedBy("ReplicaSet", "gone"))
		p.CreationTimestamp = metav1.NewTime(s.Now.Add(-2 * time.Hour))
		p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted"
		when(&p.Status, metav1.NewTime(s.Now.Add(-10*time.Minute)))
	}
}

// stuck is a pod that has waited for its sandbox for long.
func (s *scene) stuck() {
	s.pod.Status.Phase = corev1.PodPending
	s.pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(s.Now.Add(-time.Hour))}}
}

// pulling is a pod whose image cannot be had.
func (s *scene) pulling() {
	s.pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", Image: "app:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}}
}

// resized is the pod on busy while it grows in place, so far that it leaves no room.
func (s *scene) resized() *corev1.ContainerStatus {
	s.beside.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", Resources: s.beside.Spec.Containers[0].Resources.DeepCopy(), AllocatedResources: cores("3")}}
	return &s.beside.Status.ContainerStatuses[0]
}

// leaving is a pod that is being deleted and is a while past its grace.
func (s *scene) leaving(late time.Duration) {
	at, grace := metav1.NewTime(s.Now.Add(-late)), int64(30)
	s.pod.DeletionTimestamp, s.pod.DeletionGracePeriodSeconds = &at, &grace
}

// spread has a third node, which is full, so that the pod's app would be uneven.
func (s *scene) spread() {
	s.AddNode("workers", "full")
	s.AddPod("filler", "3900m", "1Gi", worldtest.On("full"), worldtest.OwnedBy("ReplicaSet", "filler"))
	s.beside.Labels["app"] = "moved"
	s.pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "moved"}}}}
}

// claimed is a pod with a volume that is only to be had on its node.
func (s *scene) claimed() {
	pv := corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}}
	pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "default", Name: "data", UID: "uid-data"}
	pv.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: "blockvolume.csi.oraclecloud.com", VolumeHandle: "v"}
	pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
		{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "disk", Operator: corev1.NodeSelectorOpIn, Values: []string{"ssd"}}}}}}}
	pvc := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data", UID: "uid-data", Annotations: map[string]string{"pv.kubernetes.io/bind-completed": "yes"}}}
	pvc.Spec.VolumeName, pvc.Status.Phase = "pv", corev1.ClaimBound
	s.Objects.PVs, s.Objects.PVCs = append(s.Objects.PVs, pv), append(s.Objects.PVCs, pvc)
	s.pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
}

// critical is a DaemonSet without whose pod a node is not in order, and its pods.
func (s *scene) critical() *corev1.Pod {
	set := appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "net", Namespace: "kube-system", UID: "uid-net"}}
	set.Spec.Template.Spec.PriorityClassName = "system-node-critical"
	s.Objects.DaemonSets = append(s.Objects.DaemonSets, set)
	p := s.AddPod("net-idle", "1m", "1Mi", worldtest.On("idle"), worldtest.OwnedBy("DaemonSet", "net"))
	p.Namespace, p.CreationTimestamp = "kube-system", metav1.NewTime(s.Now.Add(-time.Hour))
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(s.Now.Add(-50 * time.Minute))}}
	return p
}

func (s *scene) says(key, value string) { s.pod.Annotations = map[string]string{key: value} }

// podFields are those of a pod on a node that decisions read, each in a scene in
// which it decides.
var podFields = []struct {
	path string
	say  func(*scene)
}{
	{"Labels", (*scene).budget},
	{"Annotations", func(s *scene) { s.says(v1alpha1.AnnotationSafeToEvict, "false") }},
	{"Annotations", func(s *scene) { s.says(v1alpha1.AnnotationDoNotDisrupt, "true") }},
	{"Annotations", func(s *scene) { s.says(v1alpha1.AnnotationDrain, "skip") }},
	{"Annotations", func(s *scene) { s.says(corev1.MirrorPodAnnotationKey, "x") }},
	{"Annotations", func(s *scene) {
		s.says(v1alpha1.AnnotationSafeToEvictLocal, "local")
		s.pod.Spec.Volumes = []corev1.Volume{{Name: "local", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	}},
	{"OwnerReferences", func(*scene) {}},
	{"CreationTimestamp", func(s *scene) { s.pod.Namespace = "kube-system" }},
	{"DeletionTimestamp", func(s *scene) { s.leaving(time.Minute) }},
	{"Finalizers", func(s *scene) { s.leaving(time.Hour); s.pod.Finalizers = []string{"example.com/hold"} }},
	{"Spec.NodeName", func(*scene) {}},
	{"Spec.NodeSelector", func(s *scene) { s.pod.Spec.NodeSelector = map[string]string{"disk": "ssd"} }},
	{"Spec.Tolerations", func(s *scene) {
		s.busy.Spec.Taints = []corev1.Taint{{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}}
		s.pod.Spec.Tolerations = []corev1.Toleration{{Key: "team", Operator: corev1.TolerationOpEqual, Value: "a", Effect: corev1.TaintEffectNoSchedule}}
	}},
	{"Spec.Affinity.NodeAffinity", func(s *scene) {
		s.pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "disk", Operator: corev1.NodeSelectorOpExists}}}}}}}
	}},
	{"Spec.Affinity.PodAffinity", func(s *scene) {
		s.pod.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: others("nobody")}}
	}},
	{"Spec.Affinity.PodAntiAffinity", func(s *scene) { s.pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: apart("beside")} }},
	{"Spec.Affinity.PodAntiAffinity", func(s *scene) { s.beside.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: apart("moved")} }},
	{"Spec.TopologySpreadConstraints", (*scene).spread},
	{"Spec.Priority", func(s *scene) {
		high := int32(9)
		s.pod.Spec.Priority = &high
		s.AddPod("zebra", "1m", "1Mi", worldtest.On("idle"), worldtest.OwnedBy("ReplicaSet", "l"))
	}},
	{"Spec.HostNetwork", func(s *scene) { s.idle.Spec.PodCIDR, s.pod.Spec.HostNetwork = "10.0.0.0/28", true }},
	{"Spec.Overhead", func(s *scene) { s.pod.Spec.Overhead = cores("600m") }},
	{"Spec.Resources", func(s *scene) { s.pod.Spec.Resources = &corev1.ResourceRequirements{Requests: cores("1500m")} }},
	{"Spec.ResourceClaims", func(s *scene) {
		name := "nobody-made-it"
		s.pod.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimName: &name}}
	}},
	{"Spec.Containers.Resources", func(s *scene) { s.pod.Spec.Containers[0].Resources.Requests = cores("2") }},
	{"Spec.Containers.Ports", func(s *scene) { s.pod.Spec.Containers[0].Ports, s.beside.Spec.Containers[0].Ports = hosted(), hosted() }},
	{"Spec.InitContainers.Resources", func(s *scene) {
		s.pod.Spec.InitContainers = []corev1.Container{{Name: "init", Resources: corev1.ResourceRequirements{Requests: cores("2")}}}
	}},
	{"Spec.InitContainers.RestartPolicy", func(s *scene) {
		always := corev1.ContainerRestartPolicyAlways
		s.pod.Spec.InitContainers = []corev1.Container{{Name: "side", RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: cores("700m")}}}
	}},
	{"Spec.Volumes", func(s *scene) {
		s.pod.Spec.Volumes = []corev1.Volume{{Name: "local", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	}},
	{"Spec.Volumes", func(s *scene) {
		s.pod.Spec.Volumes = []corev1.Volume{{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/x"}}}}
	}},
	{"Spec.Volumes.PersistentVolumeClaim", (*scene).claimed},
	{"Status.Phase", func(s *scene) { s.pod.Status.Phase = corev1.PodSucceeded }},
	{"Status.Reason", func(s *scene) { s.evicted(func(p *corev1.PodStatus, at metav1.Time) { p.StartTime = &at }) }},
	{"Status.StartTime", func(s *scene) { s.evicted(func(p *corev1.PodStatus, at metav1.Time) { p.StartTime = &at }) }},
	{"Status.Conditions.LastTransitionTime", func(s *scene) {
		s.evicted(func(p *corev1.PodStatus, at metav1.Time) {
			p.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: at}}
		})
	}},
	{"Status.Conditions.LastTransitionTime", func(s *scene) { s.critical() }},
	{"Status.Conditions.Status", func(s *scene) { s.critical().Status.Conditions[0].Status = corev1.ConditionTrue }},
	{"Status.Conditions.Type", (*scene).stuck},
	{"Status.Conditions.Reason", func(s *scene) {
		s.beside.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("3800m")
		s.resized().Resources.Requests[corev1.ResourceCPU] = resource.MustParse("3")
		s.beside.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonInfeasible}}
	}},
	{"Status.ContainerStatuses.Name", func(s *scene) { s.resized().AllocatedResources = cores("3800m") }},
	{"Status.ContainerStatuses.AllocatedResources", func(s *scene) { s.resized().AllocatedResources = cores("3800m") }},
	{"Status.ContainerStatuses.Resources", func(s *scene) { s.resized().Resources.Requests[corev1.ResourceCPU] = resource.MustParse("3800m") }},
	{"Status.ContainerStatuses.Image", (*scene).pulling},
	{"Status.ContainerStatuses.State.Waiting", (*scene).pulling},
	{"Status.ContainerStatuses.State.Waiting.Reason", (*scene).pulling},
	{"Status.InitContainerStatuses.State.Waiting", func(s *scene) {
		s.pulling()
		s.pod.Status.InitContainerStatuses, s.pod.Status.ContainerStatuses = s.pod.Status.ContainerStatuses, nil
	}},
	{"Status.ContainerStatuses.State.Terminated", func(s *scene) {
		// All of it has ended, so that the drain does not wait for it any longer.
		s.leaving(time.Minute)
		s.pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}}}
	}},
}

// nodeFields are those of a Node, likewise.
var nodeFields = []struct {
	path string
	say  func(*scene)
}{
	{"Labels", func(s *scene) {
		s.busy.Labels["disk"], s.pod.Spec.NodeSelector = "ssd", map[string]string{"disk": "ssd"}
	}},
	{"Annotations", func(*scene) {}},
	{"Annotations", func(s *scene) { s.idle.Annotations[v1alpha1.AnnotationScaleDownDisabled] = "true" }},
	{"CreationTimestamp", func(s *scene) { s.idle.CreationTimestamp = metav1.NewTime(s.Now.Add(-30 * time.Second)) }},
	{"Spec.ProviderID", func(*scene) {}},
	{"Spec.PodCIDR", func(s *scene) { s.idle.Spec.PodCIDR = "10.0.0.0/28" }},
	{"Spec.Taints", func(s *scene) {
		s.busy.Spec.Taints = []corev1.Taint{{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}}
	}},
	{"Spec.Unschedulable", func(s *scene) { s.busy.Spec.Unschedulable = true }},
	{"Status.Allocatable", func(*scene) {}},
	{"Status.Capacity", func(*scene) {}},
	{"Status.Conditions.Type", func(*scene) {}},
	{"Status.Conditions.Status", func(*scene) {}},
	{"Status.Conditions.LastTransitionTime", func(s *scene) {
		s.busy.Status.Conditions[0].Status, s.busy.Status.Conditions[0].LastTransitionTime = corev1.ConditionFalse, metav1.NewTime(s.Now.Add(-40*time.Minute))
	}},
	{"Status.Addresses", func(s *scene) {
		s.idle.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.0.0.1"}}
	}},
	{"Status.NodeInfo.KubeletVersion", func(*scene) {}},
	{"Status.NodeInfo.ContainerRuntimeVersion", func(s *scene) { s.idle.Status.NodeInfo.ContainerRuntimeVersion = "cri-o://1.31.0" }},
}

// TestLeanKeepsEachFieldThatDecides: for each field there is a scene that is
// decided otherwise without it, and as before once it is made lean. So a transform
// that drops the field fails here, in the case of its name, and a case in which the
// field decides nothing fails too.
func TestLeanKeepsEachFieldThatDecides(t *testing.T) {
	drop := func(kind, path string, i int, say func(*scene), without func(*scene)) {
		t.Run(fmt.Sprintf("%s.%s/%d", kind, path, i), func(t *testing.T) {
			told := func(change func(*scene)) map[string]any {
				s := newScene()
				say(s)
				change(s)
				return spoken(t, s.World)
			}
			whole := told(func(*scene) {})
			if cmp.Equal(whole, told(without)) {
				t.Fatal("without the field all is decided as with it: the case proves nothing")
			}
			if diff := cmp.Diff(whole, told(func(s *scene) { trim(t, s.World) })); diff != "" {
				t.Errorf("the lean world is decided otherwise:\n%s", diff)
			}
		})
	}
	for i, f := range podFields {
		drop("Pod", f.path, i, f.say, func(s *scene) {
			for i := range s.Objects.Pods {
				empty(reflect.ValueOf(&s.Objects.Pods[i]).Elem(), strings.Split(f.path, "."))
			}
		})
	}
	for i, f := range nodeFields {
		drop("Node", f.path, i, f.say, func(s *scene) {
			for i := range s.Objects.Nodes {
				empty(reflect.ValueOf(&s.Objects.Nodes[i]).Elem(), strings.Split(f.path, "."))
			}
		})
	}
}

// spoken is what the verbs say, and in which order a drain takes the pods.
func spoken(t *testing.T, w *worldtest.World) map[string]any {
	out := decided(t, w)
	s := w.Snapshot()
	for _, p := range s.Pools {
		for _, n := range p.Nodes {
			if n.Object == nil {
				continue
			}
			c := drain.Target{Node: n.Object, Pods: n.Pods}.Classify(w.Now)
			said := fmt.Sprint(c.Blocked)
			for _, list := range [][]*corev1.Pod{c.Evictable, c.Leaving, c.Daemons} {
				for _, pod := range list {
					said += " " + pod.Name
				}
				said += ";"
			}
			out["drain "+n.Name()] = said
		}
	}
	return out
}

// trim makes the world lean, as the daemon's informers make it.
func trim(t fatal, w *worldtest.World) {
	do := lean.Transform()
	for i := range w.Objects.Pods {
		if _, err := do(&w.Objects.Pods[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range w.Objects.Nodes {
		if _, err := do(&w.Objects.Nodes[i]); err != nil {
			t.Fatal(err)
		}
	}
}

// empty sets the field at the path to nothing, in each element of a list on the way.
func empty(v reflect.Value, path []string) {
	switch {
	case len(path) == 0:
		v.SetZero()
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			empty(v.Elem(), path)
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			empty(v.Index(i), path)
		}
	default:
		empty(v.FieldByName(path[0]), path[1:])
	}
}
