package main

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// What the daemon would refuse is refused before anything is written, with what to
// do about it.
func TestWhatMayNotBeCycled(t *testing.T) {
	on, off := &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand}, &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOff}
	for _, c := range []struct {
		name string
		id   string
		spec *v1alpha1.CycleSpec
		want string // "" is allowed
	}{
		{"on demand", "ocid1.nodepool.oc1.iad.a", on, ""},
		{"off", "ocid1.nodepool.oc1.iad.a", off, "cycling is off for pool p"},
		{"nothing said", "ocid1.nodepool.oc1.iad.a", nil, "cycling is off for pool p"},
		{"virtual", "ocid1.virtualnodepool.oc1.iad.a", on, "pool p is a virtual one: it has no machines"},
		{"virtual and off", "ocid1.virtualnodepool.oc1.iad.a", nil, "pool p is a virtual one: it has no machines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			scheme, err := kube.NewScheme()
			if err != nil {
				t.Fatal(err)
			}
			pool := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: v1alpha1.PoolSpec{Cycle: c.spec}}
			pool.Status.NodePoolID = c.id
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Annotations: map[string]string{v1alpha1.AnnotationNodePoolID: c.id}}}
			cl := fake.NewClientBuilder().WithScheme(scheme).WithObjects(pool, node).Build()
			for _, target := range []client.Object{pool, node} {
				err := allowed(t.Context(), cl, target)
				if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: %v, want %q", target.GetName(), err, c.want)
				}
			}
		})
	}
}
