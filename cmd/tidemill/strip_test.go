package main

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the provider keeps of a Node is what it reads: its images and the record of
// who wrote what, most of its bytes, are gone.
func TestStripKeepsWhatIsRead(t *testing.T) {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"a": "b"}, ManagedFields: []metav1.ManagedFieldsEntry{{FieldsV1: metav1.NewFieldsV1(string(make([]byte, 10000)))}}}}
	n.Spec.ProviderID, n.Spec.Taints = "ocid1.instance.oc1..a", []corev1.Taint{{Key: "k"}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeDiskPressure}, {Type: corev1.NodeReady}}
	for i := range 50 {
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{fmt.Sprintf("registry.example/image:%d", i)}})
	}
	before := n.Size()
	kept, err := strip(n)
	if err != nil {
		t.Fatal(err)
	}
	got := kept.(*corev1.Node)
	if got.Name != "n1" || got.Spec.ProviderID == "" || len(got.Spec.Taints) != 1 || got.Labels["a"] != "b" || len(got.Status.Conditions) != 1 || got.Status.Conditions[0].Type != corev1.NodeReady {
		t.Errorf("something that is read is gone: %+v", got)
	}
	if got.Size() > before/20 {
		t.Errorf("%d of %d bytes are kept", got.Size(), before)
	}
	if other, err := strip("a tombstone"); err != nil || other != "a tombstone" {
		t.Errorf("what is no object becomes %v: %v", other, err)
	}
}
