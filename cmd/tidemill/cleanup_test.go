package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// marked is a node that tidemill cordons and judges, beside one it never touched.
func marked(t *testing.T) client.WithWatch {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "u1"}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}, {Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionFalse}}
	kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseRepair}))
	other := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n2", UID: "u2"}, Spec: corev1.NodeSpec{Unschedulable: true}}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(n, other).WithStatusSubresource(&corev1.Node{}).Build()
}

func swept(t *testing.T, c client.Client, f cleanupFlags) string {
	t.Helper()
	s, err := sweepNodes(t.Context(), c, f, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := s.write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCleanupSaysAndRemoves(t *testing.T) {
	c := marked(t)
	marks := "n1: annotation tidemill.dev/disruption, condition TidemillNodeProblem, cordon: "
	want := marks + "would be removed\n1 of 2 nodes carried marks; 0 could not be cleaned\n"
	for range 2 { // a dry run changes nothing, so it says the same again
		if diff := cmp.Diff(want, swept(t, c, cleanupFlags{dryRun: true})); diff != "" {
			t.Errorf("dry run (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(marks+"removed\n1 of 2 nodes carried marks; 0 could not be cleaned\n", swept(t, c, cleanupFlags{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("0 of 2 nodes carried marks; 0 could not be cleaned\n", swept(t, c, cleanupFlags{})); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	for name, unschedulable := range map[string]bool{"n1": false, "n2": true} {
		var n corev1.Node
		if err := c.Get(t.Context(), client.ObjectKey{Name: name}, &n); err != nil || n.Spec.Unschedulable != unschedulable {
			t.Errorf("%s: unschedulable %v, %v", name, n.Spec.Unschedulable, err)
		}
	}
}

func TestCleanupWaitsForTheDaemonToStop(t *testing.T) {
	for _, c := range []struct {
		name  string
		ago   time.Duration
		holds bool
	}{{"it leads", time.Second, true}, {"it died", time.Minute, false}} {
		t.Run(c.name, func(t *testing.T) {
			api := marked(t)
			who, seconds, at := "pod-1", int32(15), metav1.NewMicroTime(time.Now().Add(-c.ago))
			lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "tidemill"},
				Spec: coordinationv1.LeaseSpec{HolderIdentity: &who, LeaseDurationSeconds: &seconds, RenewTime: &at}}
			if err := api.Create(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
			_, err := sweepNodes(t.Context(), api, cleanupFlags{namespace: "ns"}, time.Now())
			var said *failure
			if c.holds != errors.As(err, &said) || c.holds && len(said.hints) == 0 {
				t.Errorf("holds %v: %v", c.holds, err)
			}
			if _, err := sweepNodes(t.Context(), api, cleanupFlags{namespace: "ns", dryRun: true}, time.Now()); err != nil {
				t.Errorf("a dry run may look at any time: %v", err)
			}
		})
	}
}

// One node that cannot be written keeps no other from being cleaned, and is told.
func TestCleanupGoesOn(t *testing.T) {
	inner := marked(t)
	c := interceptor.NewClient(inner, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errors.New("forbidden")
		},
	})
	if out := swept(t, c, cleanupFlags{}); !strings.Contains(out, "NOT removed: patch node n1: forbidden") || !strings.Contains(out, "1 could not be cleaned") {
		t.Errorf("got %s", out)
	}
}
