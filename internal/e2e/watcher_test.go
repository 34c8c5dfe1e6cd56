package e2e

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	kubefake "k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// TestEndIsJudgedByWhatStands has a machine end of whose Node the watch tells late:
// what stands in the API server counts, for whoever has kept the promise and for
// whoever has not.
func TestEndIsJudgedByWhatStands(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "w", Namespace: "shop"}, Spec: corev1.PodSpec{NodeName: "a"}}
	node := func(cordoned bool) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.NodeSpec{ProviderID: "m-a", Unschedulable: cordoned},
			Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
	}
	for _, c := range []struct {
		name   string
		stands []client.Object
		told   func(*Referee) // what the watches bring later
		want   int            // breaches
	}{
		{"cordoned and empty", []client.Object{node(true)}, func(r *Referee) { r.SeeNode(viewNode(node(true)), kickOff); r.LosePod(viewPod(pod).Key) }, 0},
		{"gone", nil, func(r *Referee) {
			r.SeeNode(viewNode(node(true)), kickOff)
			r.LosePod(viewPod(pod).Key)
			r.LoseNode("a", kickOff)
		}, 0},
		{"gone without a cordon", nil, func(r *Referee) { r.LoseNode("a", kickOff) }, 1},
		{"not cordoned", []client.Object{node(false)}, nil, 1},
		{"with a pod", []client.Object{node(true), pod}, nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &Watcher{Referee: NewReferee(nil), client: fake.NewClientBuilder().WithObjects(c.stands...).Build()}
			w.SeeNode(viewNode(node(false)), kickOff)
			w.SeePod(viewPod(pod), kickOff)
			w.SeeMachines([]MachineView{{ID: "m-a"}}, kickOff)
			if c.told != nil {
				time.AfterFunc(50*time.Millisecond, func() { c.told(w.Referee) })
			}
			ends := []MachineView{{ID: "m-a", Leaving: true}}
			w.catchUp(t.Context(), ends)
			w.SeeMachines(ends, kickOff)
			if v := w.Violations(); len(v) != c.want {
				t.Errorf("%v, want %d", v, c.want)
			}
		})
	}
}

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
