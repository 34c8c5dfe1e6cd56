package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What somebody else has put there stays, whatever is done and undone.
func TestBorrowedKeysAreGivenBack(t *testing.T) {
	const label, taint = "node.kubernetes.io/exclude-from-external-load-balancers", "node.kubernetes.io/out-of-service"
	theirs := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "1", Labels: map[string]string{label: ""}},
		Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: taint, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}}}}
	plain := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n2", UID: "2", Labels: map[string]string{"a": "b"}}}
	for _, c := range []struct {
		node    *corev1.Node
		changes bool
	}{{theirs, false}, {plain, true}} {
		n := c.node.DeepCopy()
		SetMark(n, Cordon(n, Mark{Cause: CauseCycle}))
		if Exclude(n) != c.changes || TakeOutOfService(n) != c.changes {
			t.Errorf("%s: changed otherwise than %v", n.Name, c.changes)
		}
		if Excluded(n) != c.changes || OutOfService(n) != c.changes {
			t.Errorf("%s: whose they are is told wrongly", n.Name)
		}
		if left := Marks(n); len(left) != 2+2*map[bool]int{true: 1}[c.changes] {
			t.Errorf("%s: marks = %v", n.Name, left)
		}
		Unmark(n)
		PutInService(n)
		n.Annotations = nil
		if len(n.Spec.Taints) == 0 {
			n.Spec.Taints = nil
		}
		if d := cmp.Diff(c.node, n); d != "" {
			t.Errorf("%s was not given back: %s", n.Name, d)
		}
	}
}
