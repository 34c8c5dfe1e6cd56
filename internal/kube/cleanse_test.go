package kube_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// Whatever tidemill put on a Node, Marks names it, and Cleanse gives the Node
// back as it was found, the kubelet's conditions and a person's annotations
// included.
func TestCleanseGivesBackWhatWasFound(t *testing.T) {
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := someNode(rt)
		n.ResourceVersion = ""
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}}
		found := n.DeepCopy()
		if marks := kube.Marks(n); len(marks) > 0 {
			rt.Fatalf("marks on a node that nobody touched: %v", marks)
		}
		for range rapid.IntRange(0, 4).Draw(rt, "steps") {
			disrupt(rt, n)
		}
		if rapid.Bool().Draw(rt, "judged") {
			n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionFalse},
				corev1.NodeCondition{Type: v1alpha1.NodeConditionHost, Status: corev1.ConditionTrue})
		}
		if rapid.Bool().Draw(rt, "recorded") {
			kube.SetRepairRecord(n, kube.RepairRecord{{Action: kube.RepairReboot, Check: "ready", At: time.Unix(1, 0)}})
		}
		c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(n).WithStatusSubresource(n).Build()
		var stored corev1.Node
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(n), &stored); err != nil {
			rt.Fatal(err)
		}
		if err := kube.Cleanse(t.Context(), c, &stored); err != nil {
			rt.Fatal(err)
		}
		var left corev1.Node
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(n), &left); err != nil {
			rt.Fatal(err)
		}
		if marks := kube.Marks(&left); len(marks) > 0 {
			rt.Fatalf("marks left: %v", marks)
		}
		left.ResourceVersion = ""
		if !equality.Semantic.DeepEqual(found, &left) {
			rt.Fatalf("node (-found +given back):\n%s", cmp.Diff(found, &left))
		}
	})
}

func TestCleanseTakesRequestsOfTheDoctorsOnly(t *testing.T) {
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	for value, stays := range map[string]bool{"please": true, "doctor/reboot/ready/2026-03-01T11:49:00Z": false} {
		n := fixture()
		n.ResourceVersion = ""
		n.Annotations = map[string]string{v1alpha1.AnnotationCycle: value, v1alpha1.AnnotationScaleDownDisabled: "true", v1alpha1.AnnotationScaleDownKept: "false"}
		c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(n).Build()
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(n), n); err != nil {
			t.Fatal(err)
		}
		if err := kube.Cleanse(t.Context(), c, n); err != nil {
			t.Fatal(err)
		}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(n), n); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{v1alpha1.AnnotationScaleDownDisabled: "false"}
		if stays {
			want[v1alpha1.AnnotationCycle] = value
		}
		if diff := cmp.Diff(want, n.Annotations); diff != "" {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
}
