package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale"
)

// TestLeanWorldsAreDecidedAlike: what package lean takes off objects is what no
// verb reads. The three decide on a world and on the same one made lean, as the
// daemon's informers make it, and say the same to the letter.
func TestLeanWorldsAreDecidedAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, tell := range []func(*rapid.T) *worldtest.World{wordyWorld, idleWorld} {
			decidedAlike(t, tell(t))
		}
	})
}

func decidedAlike(t *rapid.T, w *worldtest.World) {
	whole := decided(t, w)
	trim(t, w)
	if diff := cmp.Diff(whole, decided(t, w)); diff != "" {
		t.Fatalf("whole and lean worlds are decided differently:\n%s", diff)
	}
}

// fatal is a test of either kind.
type fatal interface{ Fatal(args ...any) }

// decided is what the verbs say of the world, by verb.
func decided(t fatal, w *worldtest.World) map[string]any {
	s := w.Snapshot()
	grown, err := scale.Decide(s, scale.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	leases := map[string]time.Time{}
	for i := range w.Objects.Nodes {
		leases[w.Objects.Nodes[i].Name] = w.Now
	}
	look := doctor.NewLook(s, leases, nil, nil)
	runner := &doctor.Runner{Checks: doctor.Checks(), Timeout: 10 * time.Second, OneShot: true}
	cases := doctor.Judge(context.Background(), look, runner, doctor.Policy{})
	var findings [][]doctor.Finding
	for _, c := range cases {
		findings = append(findings, c.Findings)
	}
	out := map[string]any{}
	for verb, plan := range map[string]any{"scale": grown, "cycle": cycle.Decide(s, cycle.Policy{}), "doctor": findings} {
		text, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := json.Unmarshal(text, &value); err != nil {
			t.Fatal(err)
		}
		out[verb] = value
	}
	return out
}

// wordyWorld has pods that say all that pods can say, on nodes some of which are
// idle, being cycled, or draining.
func wordyWorld(t *rapid.T) *worldtest.World {
	pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi", worldtest.Scale(0, 9), func(p *v1alpha1.Pool) {
		none := intstr.FromInt(0)
		p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand, MaxUnavailable: &none}
		p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn}
	})
	nodes := 1 + pick(5)
	for i := range nodes {
		n := w.AddNode("workers", fmt.Sprintf("n%d", i))
		n.Status.Images = []corev1.ContainerImage{{Names: []string{"app:1"}, SizeBytes: 1}}
		if pick(2) == 0 {
			n.Labels["disk"] = "ssd"
		}
		if pick(3) == 0 {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule})
		}
		if pick(2) == 0 {
			n.Annotations[v1alpha1.AnnotationUnneededSince] = w.Now.Add(-time.Hour).Format(time.RFC3339)
		}
		if pick(4) == 0 {
			n.Annotations[v1alpha1.AnnotationCycle] = "please"
		}
	}
	set := appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "net", Namespace: "kube-system", UID: "uid-net"}}
	set.Spec.Template.Spec.PriorityClassName = "system-node-critical"
	w.Objects.DaemonSets = append(w.Objects.DaemonSets, set)
	if pick(2) == 0 {
		b := policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: "default"}}
		b.Spec.Selector, b.Status.DisruptionsAllowed = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a0"}}, int32(pick(2))
		w.Objects.PDBs = append(w.Objects.PDBs, b)
	}
	for i := range pick(14) {
		p := w.AddPod(fmt.Sprintf("p%d", i), []string{"100m", "1", "3"}[pick(3)], "256Mi")
		speak(w, p, i, nodes, pick)
	}
	return w
}

// speak gives the pod something to say in every field that a cluster fills.
func speak(w *worldtest.World, p *corev1.Pod, i, nodes int, pick func(int) int) {
	app, at := fmt.Sprintf("a%d", pick(2)), metav1.NewTime(w.Now.Add(-time.Duration(pick(40))*time.Minute))
	p.Labels, p.CreationTimestamp = map[string]string{"app": app}, at
	p.Annotations = [...]map[string]string{nil, {"checksum": "x"}, {v1alpha1.AnnotationSafeToEvict: "false"}, {v1alpha1.AnnotationDoNotDisrupt: "true"}, {v1alpha1.AnnotationDrain: "skip"}, {corev1.MirrorPodAnnotationKey: "x"}, {v1alpha1.AnnotationSafeToEvictLocal: "local"}}[pick(7)]
	switch pick(4) {
	case 0:
		worldtest.OwnedBy("DaemonSet", "net")(p)
		p.Namespace, p.Spec.PriorityClassName = "kube-system", "system-node-critical"
	case 1:
	default:
		worldtest.OwnedBy("ReplicaSet", app)(p)
	}
	c := &p.Spec.Containers[0]
	c.Image, c.Args, c.Env, c.VolumeMounts = "app:1", []string{"-x"}, []corev1.EnvVar{{Name: "A", Value: "b"}}, []corev1.VolumeMount{{Name: "token"}}
	c.LivenessProbe, c.Lifecycle = &corev1.Probe{PeriodSeconds: 3}, &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 9}}}
	c.Ports = [][]corev1.ContainerPort{nil, {{ContainerPort: 80}}, {{ContainerPort: 80, HostPort: 80}}}[pick(3)]
	if pick(3) == 0 {
		always := corev1.ContainerRestartPolicyAlways
		side := corev1.Container{Name: "side", Image: "side:1", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}}
		if pick(2) == 0 {
			side.RestartPolicy = &always
		}
		p.Spec.InitContainers = append(p.Spec.InitContainers, side)
	}
	grace, hostUsers := int64(30*pick(3)), false
	p.Spec.TerminationGracePeriodSeconds, p.Spec.ServiceAccountName, p.Spec.HostNetwork, p.Spec.Hostname = &grace, "web", pick(6) == 0, "web-0"
	if pick(6) == 0 {
		p.Spec.HostUsers = &hostUsers
	}
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}}, corev1.Volume{Name: "c", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}})
	if v := [...]corev1.VolumeSource{{}, {EmptyDir: &corev1.EmptyDirVolumeSource{}}, {EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}, {HostPath: &corev1.HostPathVolumeSource{Path: "/x"}}, {PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}[pick(5)]; v != (corev1.VolumeSource{}) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "local", VolumeSource: v})
	}
	whereToRun(p, app, pick)
	if pick(4) > 0 {
		p.Spec.NodeName = fmt.Sprintf("n%d", pick(nodes))
	}
	kubeletSays(p, at, i, pick)
	if pick(8) == 0 {
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, &grace
	}
}

// whereToRun has the pod say where it may run, one way or the other. Where its node
// is to go, that decides whether another takes it.
func whereToRun(p *corev1.Pod, app string, pick func(int) int) {
	same := &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	beside := []corev1.PodAffinityTerm{{LabelSelector: same, TopologyKey: corev1.LabelHostname}}
	switch pick(8) {
	case 0:
		p.Spec.NodeSelector = map[string]string{"disk": "ssd"}
	case 1:
		p.Spec.Tolerations = []corev1.Toleration{{Key: "team", Operator: corev1.TolerationOpEqual, Value: "a", Effect: corev1.TaintEffectNoSchedule}}
	case 2:
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "disk", Operator: corev1.NodeSelectorOpDoesNotExist}}}}}}}
	case 3:
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: beside}}
	case 4:
		p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: beside}}
	case 5:
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: same}}
	}
}

// idleWorld is one in which a node is idle but for one pod that may be moved, so
// that what this pod says of where it may run decides: beside it are nodes of
// every kind.
func idleWorld(t *rapid.T) *worldtest.World {
	pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi", worldtest.Scale(0, 9))
	for i := range 2 + pick(2) {
		n := w.AddNode("workers", fmt.Sprintf("n%d", i))
		if pick(2) == 0 {
			n.Labels["disk"] = "ssd"
		}
		if pick(2) == 0 {
			n.Spec.Taints = []corev1.Taint{{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}}
		}
		if i == 0 {
			n.Annotations[v1alpha1.AnnotationUnneededSince] = w.Now.Add(-time.Hour).Format(time.RFC3339)
		} else {
			w.AddPod("busy-"+n.Name, "3", "1Gi", worldtest.On(n.Name), worldtest.OwnedBy("ReplicaSet", "busy"), worldtest.Labels[*corev1.Pod]("app", fmt.Sprintf("a%d", pick(2)))).Status.Phase = corev1.PodRunning
		}
	}
	p := w.AddPod("moved", "500m", "1Gi", worldtest.On("n0"), worldtest.OwnedBy("ReplicaSet", "moved"), worldtest.Labels[*corev1.Pod]("app", "a0"))
	p.Status.Phase = corev1.PodRunning
	whereToRun(p, "a0", pick)
	return w
}

// kubeletSays is what a kubelet says of the pod.
func kubeletSays(p *corev1.Pod, at metav1.Time, i int, pick func(int) int) {
	if p.Spec.NodeName == "" {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, LastTransitionTime: at}}
		return
	}
	s := &p.Status
	s.Phase = []corev1.PodPhase{corev1.PodRunning, corev1.PodRunning, corev1.PodRunning, corev1.PodPending, corev1.PodFailed, corev1.PodSucceeded}[pick(6)]
	s.HostIP, s.PodIP, s.StartTime, s.QOSClass = "10.0.0.1", fmt.Sprintf("10.1.0.%d", i), &at, corev1.PodQOSBurstable
	if s.Phase == corev1.PodFailed {
		s.Reason, s.Message = []string{"Evicted", "Error"}[pick(2)], "the node was low on resource"
	}
	truth := func() corev1.ConditionStatus {
		return []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionTrue, corev1.ConditionFalse}[pick(3)]
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodReady, corev1.PodScheduled} {
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: kind, Status: truth(), LastTransitionTime: at, Message: "because"})
	}
	if pick(6) == 0 {
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: []string{"Infeasible", "Deferred"}[pick(2)]})
	}
	c := &p.Spec.Containers[0]
	has := c.Resources.DeepCopy()
	if pick(5) == 0 {
		has.Requests[corev1.ResourceCPU] = resource.MustParse("2")
	}
	one := corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: "sha256:x", ContainerID: "cri-o://x", Resources: has, AllocatedResources: has.Requests, RestartCount: int32(pick(3))}
	switch pick(4) {
	case 0:
		one.State.Waiting = &corev1.ContainerStateWaiting{Reason: []string{"ImagePullBackOff", "ContainerCreating", "CrashLoopBackOff"}[pick(3)], Message: "back-off"}
	case 1:
		one.State.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", FinishedAt: at, ContainerID: "cri-o://x"}
	default:
		one.State.Running = &corev1.ContainerStateRunning{StartedAt: at}
	}
	s.ContainerStatuses = []corev1.ContainerStatus{one}
	if len(p.Spec.InitContainers) > 0 {
		side := corev1.ContainerStatus{Name: "side", Image: "side:1", Resources: p.Spec.InitContainers[0].Resources.DeepCopy()}
		side.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}
		s.InitContainerStatuses = []corev1.ContainerStatus{side}
	}
}
