package playground

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestPodMarkedLateIsReadyAgain has a pod marked not ready while its Node is well, as
// the node lifecycle controller does when it comes to a pod after the Node's recovery.
func TestPodMarkedLateIsReadyAgain(t *testing.T) {
	t.Parallel()
	c, client := cluster(t)
	pool(t, c, "late", 1)
	nodesOf(t, c, "late", 1)
	ns := freshNamespace(t, client)
	pinned(t, client, ns, "app", "late")
	podBecomes(t, client, ns, "app", "ready", podReady)
	patch := []byte(`{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`)
	marked, err := client.CoreV1().Pods(ns).Patch(t.Context(), "app", types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil || podReady(marked) {
		t.Fatalf("pod is ready: %t, %v", podReady(marked), err)
	}
	podBecomes(t, client, ns, "app", "ready again", func(p *corev1.Pod) bool {
		return podReady(p) && p.ResourceVersion != marked.ResourceVersion
	})
}
