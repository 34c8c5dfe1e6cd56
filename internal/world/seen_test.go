package world

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

var tenOClock = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// watched is one Node of a look, as the API server and its kubelet tell of it.
func watched(uid string, born, turned time.Time, ready corev1.ConditionStatus) *Node {
	return &Node{Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: uid, UID: types.UID(uid), CreationTimestamp: metav1.NewTime(born)},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, LastTransitionTime: metav1.NewTime(turned)}}}}}
}

func lookAt(w *witness, now time.Time, ahead time.Duration, nodes ...*Node) {
	var list []corev1.Node
	for _, n := range nodes {
		list = append(list, *n.Object)
	}
	w.note(list, now, ahead)
	for _, n := range nodes {
		n.born, n.turned = w.of(n.Object)
	}
}

// What has come between two looks came between them, whatever clocks say of it, and
// stays when it came; clocks that agree are believed to the second.
func TestWhatIsSeenBoundsWhatIsTold(t *testing.T) {
	for _, off := range []time.Duration{0, 20 * time.Second, -20 * time.Second, -10 * time.Minute, 10 * time.Minute, 26 * time.Hour, -26 * time.Hour} {
		w, now := &witness{}, tenOClock
		lookAt(w, now, 0)
		before := now
		now = now.Add(15 * time.Second)
		n := watched("a", now.Add(off-7*time.Second), now.Add(off-3*time.Second), corev1.ConditionTrue)
		lookAt(w, now, 0, n)
		born, ready := n.Registered(), n.ReadySince()
		if born.Before(before) || born.After(now) || ready.Before(before) || ready.After(now) {
			t.Errorf("clocks %s ahead: it came at %s and was Ready at %s, and was seen between %s and %s", off, born, ready, before, now)
		}
		if off == 0 && (!born.Equal(now.Add(-7*time.Second)) || !ready.Equal(now.Add(-3*time.Second))) {
			t.Errorf("clocks that agree are not believed: %s and %s", born, ready)
		}
		for range 3 { // and it grows older
			now = now.Add(time.Hour)
			n = watched("a", n.Object.CreationTimestamp.Time, n.Condition(corev1.NodeReady).LastTransitionTime.Time, corev1.ConditionTrue)
			lookAt(w, now, 0, n)
			if !n.Registered().Equal(born) || !n.ReadySince().Equal(ready) {
				t.Errorf("clocks %s ahead: it is of %s and %s now, and was of %s and %s", off, n.Registered(), n.ReadySince(), born, ready)
			}
		}
		n = watched("a", n.Object.CreationTimestamp.Time, now.Add(off+time.Second), corev1.ConditionFalse)
		last := now
		now = now.Add(10 * time.Second)
		lookAt(w, now, 0, n)
		if at := n.ReadySince(); at.Before(last) || at.After(now) {
			t.Errorf("clocks %s ahead: it is not Ready since %s, and was still at %s", off, at, last)
		}
	}
}

// The first look has nothing to go by but what is told, and how far the API server is off.
func TestTheFirstLookBelieves(t *testing.T) {
	for _, off := range []time.Duration{0, -10 * time.Minute, 10 * time.Minute, 26 * time.Hour} {
		n := watched("a", tenOClock.Add(off-time.Hour), tenOClock.Add(off-time.Minute), corev1.ConditionTrue)
		lookAt(&witness{}, tenOClock, off, n)
		if age, up := tenOClock.Sub(n.Registered()), tenOClock.Sub(n.ReadySince()); age != time.Hour || up != time.Minute {
			t.Errorf("clocks %s ahead: it is %s old and up for %s", off, age, up)
		}
		n = watched("b", tenOClock.Add(time.Hour), tenOClock.Add(time.Hour), corev1.ConditionTrue) // said by a clock that nobody measured
		w := &witness{}
		lookAt(w, tenOClock, 0, n)
		lookAt(w, tenOClock.Add(time.Minute), 0, n)
		if age := tenOClock.Add(time.Minute).Sub(n.Registered()); age != time.Minute {
			t.Errorf("a Node of the future is %s old after a minute", age)
		}
	}
	n := watched("c", tenOClock.Add(-time.Hour), tenOClock.Add(-26*time.Hour), corev1.ConditionTrue)
	lookAt(&witness{}, tenOClock, 0, n)
	if n.ReadySince().Before(n.Registered()) {
		t.Errorf("it was Ready at %s, and came at %s", n.ReadySince(), n.Registered())
	}
}

// A kubelet's clock is not the API server's: while that one is off, or was set meanwhile,
// a node that is Ready is not so for longer than the kubelet says. Unknown is a
// controller's word, beside the API server.
func TestTheFirstLookDoesNotPutKubeletsRight(t *testing.T) {
	for _, x := range []struct {
		status corev1.ConditionStatus
		off    time.Duration
		want   time.Duration
	}{
		{corev1.ConditionTrue, 10 * time.Minute, 20 * time.Minute},
		{corev1.ConditionFalse, 10 * time.Minute, 20 * time.Minute},
		{corev1.ConditionUnknown, 10 * time.Minute, 30 * time.Minute},
		{corev1.ConditionTrue, -10 * time.Minute, 10 * time.Minute},
		{corev1.ConditionTrue, 0, 20 * time.Minute},
	} {
		n := watched("a", tenOClock.Add(x.off-time.Hour), tenOClock.Add(-20*time.Minute), x.status)
		lookAt(&witness{}, tenOClock, x.off, n)
		if since := tenOClock.Sub(n.ReadySince()); since != x.want {
			t.Errorf("API server %s ahead: Ready is %s for %s, not for %s", x.off, x.status, since, x.want)
		}
	}
}

// Of two Nodes that name one machine the one that was seen first has it, whatever the
// API server's clock says of the other, while the cloud names its machines or does not.
func TestWhoWasSeenFirstHasTheMachine(t *testing.T) {
	const id = "ocid1.instance.oc1..m"
	for _, off := range []time.Duration{0, -10 * time.Minute, -26 * time.Hour, 10 * time.Minute} {
		for _, cloud := range []cloudprovider.Cloud{
			{Pools: []cloudprovider.NodePool{{ID: "p"}}, Instances: map[cloudprovider.PoolID][]cloudprovider.Instance{"p": {{ID: id}}}},
			{Pools: []cloudprovider.NodePool{{ID: "p"}}, Err: errors.New("away")},
			{Err: errors.New("away")},
		} {
			pool := v1alpha1.Pool{Spec: v1alpha1.PoolSpec{NodePoolID: "p"}, Status: v1alpha1.PoolStatus{NodePoolID: "p", Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}}}
			node := func(name string, born time.Time) corev1.Node {
				n := *watched(name, born, born, corev1.ConditionTrue).Object
				n.Spec.ProviderID, n.Annotations = id, map[string]string{v1alpha1.AnnotationNodePoolID: "p"}
				return n
			}
			w, now := &witness{}, tenOClock
			o := Objects{Pools: []v1alpha1.Pool{pool}, Nodes: []corev1.Node{node("n1", now.Add(-time.Minute))}}
			w.note(o.Nodes, now, 0)
			now = now.Add(15 * time.Second)
			o.Nodes = append(o.Nodes, node("0-impostor", now.Add(off)))
			w.note(o.Nodes, now, 0)
			s := join(o, nil, newRoll(), cloud, now, w)
			var has []string
			for _, p := range s.Pools {
				has = append(has, called(p.Nodes)...)
			}
			for _, p := range s.Orphans {
				has = append(has, called(p.Nodes)...)
			}
			if len(has) != 1 || has[0] != "n1" {
				t.Errorf("clock %s ahead, cloud %v: the machine is that of %q", off, cloud, has)
			}
		}
	}
}

func called(nodes []*Node) (out []string) {
	for _, n := range nodes {
		out = append(out, n.Name())
	}
	return out
}
