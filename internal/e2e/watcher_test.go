package e2e

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	kubefake "k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// TestCaught has a cluster that is further than the watches: one that has caught up
// with the pods alone would judge the end of a machine by a cordon it has not seen.
func TestCaught(t *testing.T) {
	pod := func(version string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "shop", UID: "pod", ResourceVersion: version}}
	}
	node := func(uid types.UID, version string) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: uid, ResourceVersion: version}}
	}
	for _, c := range []struct {
		name string
		pod  *corev1.Pod
		node *corev1.Node
		want bool
	}{
		{"all is known", pod("7"), node("a", "8"), true},
		{"an older pod", pod("9"), node("a", "8"), false},
		{"an older Node", pod("7"), node("a", "9"), false},
		{"another Node of that name", pod("7"), node("b", "8"), false},
	} {
		w := &Watcher{Referee: NewReferee(nil), client: fake.NewClientBuilder().WithObjects(c.pod, c.node).Build(),
			factory: informers.NewSharedInformerFactory(kubefake.NewClientset(pod("7"), node("a", "8")), 0)}
		if err := w.follow(); err != nil {
			t.Fatal(err)
		}
		w.factory.Start(t.Context().Done())
		w.factory.WaitForCacheSync(t.Context().Done())
		if got, err := w.Caught(t.Context()); got != c.want || err != nil {
			t.Errorf("%s: caught up: %t, %v, want %t", c.name, got, err, c.want)
		}
	}
}
