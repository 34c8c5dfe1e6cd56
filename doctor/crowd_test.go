package doctor

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Replicas that are well weigh one pod, however many they are.
func TestCrowdIsLight(t *testing.T) {
	c := newCrowd()
	for i := range 1000 {
		owner := true
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("web-%d", i), OwnerReferences: []metav1.OwnerReference{{UID: "rs", Controller: &owner}}}}
		p.Spec.NodeName, p.Status.Phase = fmt.Sprintf("n%d", i%10), corev1.PodRunning
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Unix(int64(i), 0))}}
		c.add(p)
	}
	pods := c.byNode()
	if len(c.kinds) != 1 || len(pods) != 10 || len(pods["n3"]) != 100 || pods["n3"][0] != pods["n7"][99] {
		t.Errorf("%d kinds on %d nodes", len(c.kinds), len(pods))
	}
}

// A kubelet that chooses its words cannot pass one pod off as another.
func TestKindsAreToldApart(t *testing.T) {
	running := func(hostNetwork bool, condition string, images ...string) *corev1.Pod {
		p := &corev1.Pod{Spec: corev1.PodSpec{HostNetwork: hostNetwork}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodConditionType(condition)}}
		for _, image := range images {
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Image: image})
		}
		return p
	}
	kinds := map[string]*corev1.Pod{}
	for _, p := range []*corev1.Pod{
		running(false, "Ready", "a", "b"), running(false, "Ready", "a\x00b"), running(false, "Ready", "a\x00", "b"), running(false, "Ready", "a", "\x00b"),
		running(false, "Ready", "", "a"), running(false, "Ready", "a", ""), running(true, "Ready", "a"), running(false, "true", "a"), running(false, "host", "a"),
		running(false, "Ready\x00", "a"), running(false, "Ready", "\x00a"),
	} {
		key := string(appendKind(nil, p))
		if other := kinds[key]; other != nil {
			t.Errorf("%+v is taken for %+v", p, other)
		}
		kinds[key] = p
	}
}
