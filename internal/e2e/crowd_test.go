package e2e

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestACrowdIsLeftAlone: no controller finds anything to do about a crowd. A pod
// whose owner is nowhere is garbage: with sixty thousand of them that is all that
// a cluster would be busy with.
func TestACrowdIsLeftAlone(t *testing.T) {
	const nodes, perNode = 12, 30
	pools := CrowdedPools(1, nodes)
	env := open(t, Options{Pools: pools, Policies: CrowdedPolicies(pools), NodeGrace: time.Hour, Crowded: true, Usual: true})
	ctx := within(t, 10*time.Minute)
	if err := env.Crowd(ctx, nodes, perNode); err != nil {
		t.Fatal(err)
	}
	if _, err := env.MeasureMemory(ctx, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	// A pod that is placed, and another that a node is asked for, have been through
	// the queues of all that might do something.
	if _, err := env.MeasurePending(ctx, 1, 1); err != nil {
		t.Fatal(err)
	}
	var pods corev1.PodList
	if err := env.Client.List(ctx, &pods, client.InNamespace(crowd)); err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != nodes*perNode+1 {
		t.Errorf("%d pods, not %d and the one that waits", len(pods.Items), nodes*perNode)
	}
	for _, p := range pods.Items {
		if p.OwnerReferences == nil {
			continue // the one that waits
		}
		if p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodRunning {
			t.Fatalf("pod %s: %s, deleted %v", p.Name, p.Status.Phase, p.DeletionTimestamp)
		}
	}
	var system corev1.PodList
	if err := env.Client.List(ctx, &system, client.InNamespace(metav1.NamespaceSystem)); err != nil {
		t.Fatal(err)
	}
	for _, p := range system.Items {
		if p.Spec.NodeName == "" {
			t.Errorf("pod %s waits for a node", p.Name)
		}
	}
}
