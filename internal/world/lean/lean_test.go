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
