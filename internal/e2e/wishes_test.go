package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestWishes asks for room with objects instead of pods, of kinds that come to
// the cluster after the daemon: buffers, a request that can be granted, one that
// never can, and one that makes no sense.
func TestWishes(t *testing.T) {
	env := open(t, Options{Audit: true, Pools: OnePool(1), Policies: OnePolicy(1, 8)})
	restarted(t, env, func(args []string) []string { return append(args[:len(args):len(args)], "--enable-proactive-scaleup") })
	s, ctx := stage(env), within(t, 10*time.Minute)
	applyFile(ctx, t, env, "testdata/autoscaling.yaml")
	if err := s.Wait(ctx, "the kinds to be served", time.Minute, func(ctx context.Context) (bool, string, error) {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("autoscaling.x-k8s.io/v1")
		list.SetKind("ProvisioningRequestList")
		err := env.Client.List(ctx, list)
		return err == nil, fmt.Sprint(err), nil
	}); err != nil {
		t.Fatal(err)
	}
	applyFile(ctx, t, env, "testdata/wishes.yaml")
	for _, tt := range []struct {
		kind, name, condition string
		status                metav1.ConditionStatus
		say                   string
	}{
		{"CapacityBuffer", "room", "Provisioning", metav1.ConditionTrue, "free on nodes that run"},
		{"CapacityBuffer", "of-deployment", "ReadyForProvisioning", metav1.ConditionTrue, ""},
		{"CapacityBuffer", "of-statefulset", "ReadyForProvisioning", metav1.ConditionTrue, ""},
		{"CapacityBuffer", "of-replicaset", "ReadyForProvisioning", metav1.ConditionTrue, ""},
		{"CapacityBuffer", "of-job", "ReadyForProvisioning", metav1.ConditionTrue, ""},
		{"CapacityBuffer", "malformed", "ReadyForProvisioning", metav1.ConditionFalse, "exclude each other"},
		{"ProvisioningRequest", "too-much", "Provisioned", metav1.ConditionFalse, ""},
		{"ProvisioningRequest", "batch", "Provisioned", metav1.ConditionTrue, "room for all pods"},
	} {
		err := s.Wait(ctx, tt.kind+" "+tt.name, 2*time.Minute, func(ctx context.Context) (bool, string, error) {
			status, message, err := told(ctx, env, tt.kind, tt.name, tt.condition)
			return status == tt.status && strings.Contains(message, tt.say), fmt.Sprintf("%s is %q: %s", tt.condition, status, message), err
		})
		if err != nil {
			t.Error(err)
		}
	}
	// 12 pods of the buffer and 18 of the request, nine on a node; the small ones
	// find room beside them.
	if size := s.Size("workers"); size < 4 || size > 5 {
		t.Errorf("workers has %d nodes, want 4 or 5 for 30 pods of which 9 fit on one", size)
	}
	excusedRightsAreUsed(t, env, "TestWishes")
}

// told is a condition of a wish.
func told(ctx context.Context, env *Env, kind, name, condition string) (metav1.ConditionStatus, string, error) {
	u := &unstructured.Unstructured{}
	u.SetKind(kind)
	u.SetAPIVersion(map[string]string{"CapacityBuffer": "autoscaling.x-k8s.io/v1beta1", "ProvisioningRequest": "autoscaling.x-k8s.io/v1"}[kind])
	if err := env.Client.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, u); err != nil {
		return "", "", err
	}
	list, _, err := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, item := range list {
		if c, ok := item.(map[string]any); ok && c["type"] == condition {
			return metav1.ConditionStatus(fmt.Sprint(c["status"])), fmt.Sprint(c["message"]), nil
		}
	}
	return "", fmt.Sprintf("%v", list), err
}

func applyFile(ctx context.Context, t *testing.T, env *Env, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Cluster.Apply(ctx, text); err != nil {
		t.Fatal(err)
	}
}
