package e2e

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/playground"
)

// TestStoreSorts: what is stored reaches whom it concerns, by its key, and what
// concerns nobody reaches nobody; what cannot be read is an error and no silence.
func TestStoreSorts(t *testing.T) {
	var told []string
	s := &store{
		node:  func(n *corev1.Node) { told = append(told, "node "+n.Name) },
		pod:   func(p *corev1.Pod) { told = append(told, "pod "+p.Namespace+"/"+p.Name) },
		slice: func(e *discoveryv1.EndpointSlice) { told = append(told, "slice "+e.Name) },
		pool:  func(p *v1alpha1.Pool) { told = append(told, "pool "+p.Name) },
		gone:  func(kind, namespace, name string) { told = append(told, "gone "+kind+" "+namespace+" "+name) },
	}
	for _, k := range []playground.Kept{
		{Key: keptNodes + "10.0.0.1", Value: []byte(`{"apiVersion":"v1","kind":"Node","metadata":{"name":"10.0.0.1"}}`)},
		{Key: keptPods + "shop/a", Value: []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"a"}}`)},
		{Key: keptSlices + "shop/s", Value: []byte(`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"s"},"addressType":"IPv4"}`)},
		{Key: keptPools + "workers", Value: []byte(`{"metadata":{"name":"workers"}}`)},
		{Key: "/registry/secrets/shop/db", Value: []byte("k8s")},
		{Key: keptPods + "shop/a"}, {Key: keptNodes + "10.0.0.1"}, {Key: keptPools + "workers"}, {Key: "/registry/leases/kube-node-lease/x"},
	} {
		if err := s.tell(k); err != nil {
			t.Errorf("%s: %v", k.Key, err)
		}
	}
	want := []string{"node 10.0.0.1", "pod shop/a", "slice s", "pool workers", "gone " + keptPods + " shop a", "gone " + keptNodes + "  10.0.0.1", "gone " + keptPools + "  workers"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	for _, key := range []string{keptNodes + "x", keptPools + "x"} {
		if err := s.tell(playground.Kept{Key: key, Value: []byte("\x00{")}); err == nil {
			t.Errorf("%s cannot be read, and nobody says so", key)
		}
	}
}
