package lean

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// replica is a pod as the API server sends it, one of so many that say the same
// but for name, node and dates.
func replica(i int) *corev1.Pod {
	at, token := metav1.NewTime(time.Unix(int64(1_700_000_000+i), 0)), fmt.Sprintf("kube-api-access-%05d", i)
	ask := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprintf("web-%05d", i), Namespace: "shop", UID: types.UID(fmt.Sprint(i)), GenerateName: "web-", CreationTimestamp: at,
		Labels:          map[string]string{"app": "web"},
		Annotations:     map[string]string{"checksum": "x", "tidemill.dev/do-not-disrupt": "true"},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet"}},
		OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web"}},
	}}
	p.Spec = corev1.PodSpec{
		NodeName: fmt.Sprintf("node-%d", i%7), ServiceAccountName: "web", Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		Containers: []corev1.Container{{
			Name: "app", Image: "app:1", Args: []string{"--all"}, Env: []corev1.EnvVar{{Name: "A", Value: "b"}}, Resources: corev1.ResourceRequirements{Requests: ask},
			Ports: []corev1.ContainerPort{{ContainerPort: 80}, {ContainerPort: 81, HostPort: 81}}, VolumeMounts: []corev1.VolumeMount{{Name: token}},
		}},
		Volumes: []corev1.Volume{
			{Name: token, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}},
			{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: fmt.Sprintf("data-%d", i)}}},
		},
	}
	p.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.0.0.%d", i), StartTime: &at,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: at}},
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", Image: "app:1", ContainerID: fmt.Sprint("cri-o://", i), Resources: &corev1.ResourceRequirements{Requests: ask}, AllocatedResources: ask,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}},
		}},
	}
	return p
}

func TestReplicasShareWhatTheySay(t *testing.T) {
	p := NewPantry()
	a, b := replica(1), replica(2)
	p.Pod(a)
	p.Pod(b)
	if &a.Spec.Containers[0] != &b.Spec.Containers[0] || &a.Status.Conditions[0] != &b.Status.Conditions[0] || &a.OwnerReferences[0] != &b.OwnerReferences[0] {
		t.Error("two replicas keep copies of their own")
	}
	if a.Spec.NodeName != "node-1" || b.Spec.NodeName != "node-2" || b.Spec.Volumes[0].PersistentVolumeClaim.ClaimName != "data-2" {
		t.Errorf("what differs was shared too: %s %s %v", a.Spec.NodeName, b.Spec.NodeName, b.Spec.Volumes)
	}
}

// TestPodKeepsWhatIsRead spells what is left of one.
func TestPodKeepsWhatIsRead(t *testing.T) {
	got, full := replica(3), replica(3)
	NewPantry().Pod(got)
	want := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: full.Name, Namespace: "shop", UID: full.UID, CreationTimestamp: full.CreationTimestamp, Labels: full.Labels, OwnerReferences: full.OwnerReferences,
		Annotations: map[string]string{"tidemill.dev/do-not-disrupt": "true"},
	}}
	c := full.Spec.Containers[0]
	want.Spec = corev1.PodSpec{NodeName: "node-3", Tolerations: full.Spec.Tolerations, Volumes: full.Spec.Volumes[1:], Containers: []corev1.Container{{Name: "app", Resources: c.Resources, Ports: c.Ports[1:]}}}
	s := full.Status.ContainerStatuses[0]
	want.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "app", Image: "app:1", Resources: s.Resources, AllocatedResources: s.AllocatedResources, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPodsThatWaitAreWhole: whoever places one may ask for anything.
func TestPodsThatWaitAreWhole(t *testing.T) {
	got, want := replica(4), replica(4)
	got.Spec.NodeName, want.Spec.NodeName = "", ""
	want.ManagedFields = nil
	NewPantry().Pod(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDatesOfWhatWentWrongStay: the doctor dates an eviction, and a pod that does
// not start.
func TestDatesOfWhatWentWrongStay(t *testing.T) {
	for _, phase := range []corev1.PodPhase{corev1.PodFailed, corev1.PodPending} {
		p, full := replica(5), replica(5)
		p.Status.Phase = phase
		NewPantry().Pod(p)
		if p.Status.StartTime == nil || !p.Status.Conditions[0].LastTransitionTime.Equal(&full.Status.Conditions[0].LastTransitionTime) {
			t.Errorf("%s: the dates are gone", phase)
		}
	}
	p := replica(6)
	p.Status.Conditions[0].Status = corev1.ConditionFalse
	NewPantry().Pod(p)
	if p.Status.Conditions[0].LastTransitionTime.IsZero() {
		t.Error("since when a pod that runs is not ready is gone")
	}
}

// TestPantryIsBounded: pods that are all different are forgotten again.
func TestPantryIsBounded(t *testing.T) {
	p := NewPantry()
	for i := range 3 * kinds {
		pod := replica(i)
		pod.Labels["app"] = fmt.Sprint(i)
		p.Pod(pod)
	}
	if n := len(p.labels.now) + len(p.labels.before); n > 2*kinds {
		t.Errorf("%d kinds of labels are kept, more than %d", n, 2*kinds)
	}
	again := replica(0)
	p.Pod(again)
	if again.Labels["app"] != "web" {
		t.Errorf("labels of somebody else: %v", again.Labels)
	}
}

// TestPantryHoldsNothingOfOnePod: pods that come, fall ill and end on ever new nodes, of a
// Deployment and of a DaemonSet, leave nothing behind that another will not say.
func TestPantryHoldsNothingOfOnePod(t *testing.T) {
	p := NewPantry()
	for i := range 500 {
		for _, tell := range []func(*corev1.Pod){
			func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodPending },
			func(*corev1.Pod) {},
			func(pod *corev1.Pod) { pod.Status.Conditions[0].Status = corev1.ConditionFalse },
			func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodFailed },
			func(pod *corev1.Pod) {
				name := fmt.Sprintf("web-%05d-gpu", i)
				pod.Status.ResourceClaimStatuses = []corev1.PodResourceClaimStatus{{Name: "gpu", ResourceClaimName: &name}}
			},
			func(pod *corev1.Pod) { pod.Spec.Affinity = toNode(i) },
		} {
			pod := replica(i)
			tell(pod)
			p.Pod(pod)
		}
	}
	if s, st := len(p.specs.now), len(p.statuses.now); s != 1 || st != 1 {
		t.Errorf("%d specs and %d statuses are kept, of one kind of pods", s, st)
	}
}

// toNode is the affinity that a DaemonSet gives its pod.
func toNode(i int) *corev1.Affinity {
	named := []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{fmt.Sprint("node-", i)}}}
	terms := &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: named}}}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms}}
}

// TestDaemonPodsShareTheRest: each keeps the node that it names.
func TestDaemonPodsShareTheRest(t *testing.T) {
	p, a, b := NewPantry(), replica(1), replica(2)
	a.Spec.Affinity, b.Spec.Affinity = toNode(1), toNode(2)
	p.Pod(a)
	p.Pod(b)
	if &a.Spec.Containers[0] != &b.Spec.Containers[0] {
		t.Error("they keep copies of their own")
	}
	for i, pod := range []*corev1.Pod{a, b} {
		if diff := cmp.Diff(toNode(i+1), pod.Spec.Affinity); diff != "" {
			t.Error(diff)
		}
	}
	rack := func() *corev1.Affinity {
		return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: "rack"}}}}
	}
	c, d := replica(3), replica(4)
	c.Spec.Affinity, d.Spec.Affinity = rack(), rack()
	p.Pod(c)
	p.Pod(d)
	if c.Spec.Affinity != d.Spec.Affinity || &c.Spec.Containers[0] == &a.Spec.Containers[0] {
		t.Error("an affinity that names no node is not part of what is shared")
	}
}

// TestWeight is the point of it: what a pod weighs.
func TestWeight(t *testing.T) {
	weigh := func(do func(*corev1.Pod)) uint64 {
		const n = 5000
		keep := make([]*corev1.Pod, n)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range keep {
			keep[i] = replica(i)
			keep[i].Spec.Volumes = keep[i].Spec.Volumes[:1]
			do(keep[i])
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(keep)
		return (after.HeapAlloc - before.HeapAlloc) / n
	}
	whole, lean := weigh(func(*corev1.Pod) {}), weigh(NewPantry().Pod)
	t.Logf("a pod weighs %d bytes, lean %d", whole, lean)
	if lean > 1800 || lean*2 > whole {
		t.Errorf("a lean pod weighs %d bytes of %d", lean, whole)
	}
}
