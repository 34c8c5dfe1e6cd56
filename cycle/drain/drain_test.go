package drain

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
)

// pod is a running pod of a ReplicaSet on node n1.
func pod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	yes := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": "web"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "rs", Controller: &yes}}},
		Spec:   corev1.PodSpec{NodeName: "n1"},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func daemon(p *corev1.Pod) {
	p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name = "DaemonSet", "agent"
}

func annotated(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations = map[string]string{key: value} }
}

// containers gives the pod so many, of which some run still.
func containers(all, run int) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for i := range all {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: string(rune('a' + i))})
			s := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
			if i < run {
				s = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
			}
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{State: s})
		}
	}
}

func leaving(at time.Time) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: at} }
}

func node(ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "node-1"},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}}}
}

func TestClassify(t *testing.T) {
	now := time.Now()
	sets := []*appsv1.DaemonSet{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "agent"}}}
	const evictable, gone, stays = "evictable", "leaving", "stays"
	for name, c := range map[string]struct {
		pod   *corev1.Pod
		ready corev1.ConditionStatus
		want  string // evictable, leaving, stays, or a Reason
	}{
		"replica": {pod("a"), corev1.ConditionTrue, evictable},
		"with emptyDir": {pod("a", func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		}), corev1.ConditionTrue, evictable},
		"bound and not started":    {pod("a", func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }), corev1.ConditionTrue, evictable},
		"daemon":                   {pod("a", daemon), corev1.ConditionTrue, stays},
		"daemon whose set is gone": {pod("a", daemon, func(p *corev1.Pod) { p.OwnerReferences[0].Name = "other" }), corev1.ConditionTrue, string(DaemonSetGone)},
		"daemon of another API group": {pod("a", daemon, func(p *corev1.Pod) {
			p.OwnerReferences[0].APIVersion, p.OwnerReferences[0].Name = "apps.kruise.io/v1alpha1", "other"
		}), corev1.ConditionTrue, stays},
		"mirror":                           {pod("a", annotated(corev1.MirrorPodAnnotationKey, "x")), corev1.ConditionTrue, stays},
		"finished":                         {pod("a", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }), corev1.ConditionTrue, stays},
		"no controller":                    {pod("a", func(p *corev1.Pod) { p.OwnerReferences = nil }), corev1.ConditionTrue, string(Unmanaged)},
		"protected":                        {pod("a", annotated("tidemill.dev/do-not-disrupt", "true")), corev1.ConditionTrue, string(DoNotDisrupt)},
		"protected by a typo":              {pod("a", annotated("tidemill.dev/do-not-disrupt", "yes")), corev1.ConditionTrue, string(DoNotDisrupt)},
		"protection is over":               {pod("a", annotated("tidemill.dev/do-not-disrupt", "1h")), corev1.ConditionTrue, evictable},
		"terminating":                      {pod("a", leaving(now.Add(time.Minute))), corev1.ConditionTrue, gone},
		"terminating, just due":            {pod("a", leaving(now.Add(-time.Second))), corev1.ConditionTrue, gone},
		"not ended by its kubelet":         {pod("a", leaving(now.Add(-10*time.Minute)), containers(1, 1)), corev1.ConditionTrue, gone},
		"not ended, never seen to run":     {pod("a", leaving(now.Add(-10*time.Minute))), corev1.ConditionTrue, gone},
		"never ended by its kubelet":       {pod("a", leaving(now.Add(-10*time.Minute-time.Second)), containers(1, 1)), corev1.ConditionTrue, stays},
		"one of two has ended":             {pod("a", leaving(now.Add(-time.Minute)), containers(2, 1)), corev1.ConditionTrue, gone},
		"a finalizer keeps what has ended": {pod("a", leaving(now.Add(-31*time.Second)), containers(2, 0)), corev1.ConditionTrue, stays},
		"ended, and just due":              {pod("a", leaving(now.Add(-30*time.Second)), containers(2, 0)), corev1.ConditionTrue, gone},
		"terminating, kubelet dead":        {pod("a", leaving(now.Add(time.Minute))), corev1.ConditionUnknown, gone},
		"grace over and kubelet dead":      {pod("a", leaving(now.Add(-time.Minute))), corev1.ConditionUnknown, stays},
		"daemon terminating":               {pod("a", daemon, leaving(now.Add(time.Minute))), corev1.ConditionTrue, stays},
		"not terminating and kubelet dead": {pod("a"), corev1.ConditionUnknown, evictable},
	} {
		t.Run(name, func(t *testing.T) {
			got := Classify(node(c.ready), []corev1.Pod{*c.pod}, sets, now)
			have := stays
			switch {
			case len(got.Evictable) == 1:
				have = evictable
			case len(got.Leaving) == 1:
				have = gone
			case len(got.Blocked) == 1:
				have = string(got.Blocked[0].Reason)
			}
			if have != c.want {
				t.Errorf("got %s, want %s (%+v)", have, c.want, got.Blocked)
			}
		})
	}
}

func TestLowPriorityGoesFirst(t *testing.T) {
	with := func(v int32) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.Priority = &v } }
	got := Classify(node(corev1.ConditionTrue), []corev1.Pod{*pod("a", with(2_000_000_000)), *pod("b", with(-1_000_000_000)), *pod("c")}, nil, time.Now())
	var order []string
	for _, p := range got.Evictable {
		order = append(order, p.Name)
	}
	if !slices.Equal(order, []string{"b", "c", "a"}) {
		t.Errorf("order = %v", order)
	}
}

// evictions makes a clientset whose Eviction API answers with answer.
func evictions(answer func(name string) error, objects ...runtime.Object) (*fake.Clientset, *[]time.Time) {
	c := fake.NewClientset(objects...)
	var asked []time.Time
	c.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "eviction" {
			return false, nil, nil
		}
		e := a.(clienttesting.CreateAction).GetObject().(*policyv1.Eviction)
		asked = append(asked, time.Now())
		if e.DeleteOptions == nil || e.DeleteOptions.Preconditions == nil || *e.DeleteOptions.Preconditions.UID != types.UID("uid-"+e.Name) {
			return true, nil, apierrors.NewBadRequest("eviction without the pod's UID")
		}
		return true, nil, answer(e.Name)
	})
	return c, &asked
}

// With the library's own loop and a delay left zero this was 85,416 calls.
func TestRefusedEvictionIsNoHotLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, asked := evictions(func(string) error {
			return refused(0, "The disruption budget web needs 1 healthy pods and has 1 currently")
		}, pod("a"))
		d := New(c)
		target := Target{Node: node(corev1.ConditionTrue), Cordoned: time.Now()}
		step := func(for_ time.Duration) (last Progress) {
			for until := time.Now().Add(for_); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
				p := d.Step(t.Context(), seen(t, c, target))
				if len(p.Blocked) != 1 || p.Blocked[0].Reason != PDBTransient || p.Empty || p.Left != 1 {
					t.Fatalf("progress = %+v", p)
				}
				last = p
			}
			return last
		}
		step(2 * time.Second)
		if len(*asked) != 1 {
			t.Errorf("%d evictions in 2 s, want 1", len(*asked))
		}
		step(10 * time.Minute)
		var gaps []time.Duration
		for i := 1; i < len(*asked); i++ {
			gaps = append(gaps, (*asked)[i].Sub((*asked)[i-1]))
		}
		if want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, 30 * time.Second}; !slices.Equal(gaps[:5], want) {
			t.Errorf("waits = %v, want %v, ...", gaps[:5], want)
		}
		if got := slices.Max(gaps); got > 31*time.Second {
			t.Errorf("longest wait = %s", got)
		}
	})
}

func TestEmptyNotBeforeMinDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := evictions(func(string) error { return nil })
		d := New(c)
		target := Target{Node: node(corev1.ConditionTrue), Cordoned: time.Now()}
		for _, want := range []bool{false, false, true} {
			if p := d.Step(t.Context(), target); p.Empty != want {
				t.Fatalf("after %s: empty %v; want %v", time.Since(target.Cordoned), p.Empty, want)
			}
			time.Sleep(MinDrain / 2)
		}
	})
}

func TestGrantedEvictionEmptiesTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *fake.Clientset
		c, asked := evictions(func(name string) error {
			return c.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "shop", name)
		}, pod("a"), pod("b"), pod("elsewhere", func(p *corev1.Pod) { p.Spec.NodeName = "n2" }))
		c.PrependReactor("list", "pods", onNode(c))
		d := New(c)
		target := Target{Node: node(corev1.ConditionTrue), Cordoned: time.Now()}
		p := d.Step(t.Context(), seen(t, c, target))
		if p.Asked[Evicted] != 2 || p.Empty {
			t.Fatalf("%+v", p)
		}
		time.Sleep(MinDrain)
		p = d.Step(t.Context(), seen(t, c, target))
		if !p.Empty || len(*asked) != 2 {
			t.Fatalf("%+v, asked %d times", p, len(*asked))
		}
		if empty, err := d.Empty(t.Context(), target); !empty || err != nil {
			t.Errorf("Empty = %v, %v", empty, err)
		}
	})
}

// seen is the target with the pods that an informer would show.
func seen(t *testing.T, c *fake.Clientset, target Target) Target {
	t.Helper()
	all, err := c.Tracker().List(corev1.SchemeGroupVersion.WithResource("pods"), corev1.SchemeGroupVersion.WithKind("Pod"), "")
	if err != nil {
		t.Fatal(err)
	}
	list := all.(*corev1.PodList)
	target.Pods = nil
	for i := range list.Items {
		if list.Items[i].Spec.NodeName == target.Node.Name {
			target.Pods = append(target.Pods, &list.Items[i])
		}
	}
	return target
}

// onNode honours the field selector, which the fake clientset does not.
func onNode(c *fake.Clientset) clienttesting.ReactionFunc {
	return func(a clienttesting.Action) (bool, runtime.Object, error) {
		all, err := c.Tracker().List(corev1.SchemeGroupVersion.WithResource("pods"), corev1.SchemeGroupVersion.WithKind("Pod"), "")
		if err != nil {
			return true, nil, err
		}
		list := all.(*corev1.PodList)
		selector := a.(clienttesting.ListAction).GetListRestrictions().Fields
		list.Items = slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
			return selector.String() != "spec.nodeName="+p.Spec.NodeName
		})
		return true, list, nil
	}
}

func TestEvictionRateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var objects []runtime.Object
		for i := range 400 {
			objects = append(objects, pod("p"+string(rune('a'+i%26))+string(rune('a'+i/26))))
		}
		c, asked := evictions(func(string) error { return nil }, objects...)
		d := New(c)
		target := Target{Node: node(corev1.ConditionTrue), Cordoned: time.Now()}
		for range 10 {
			d.Step(t.Context(), seen(t, c, target))
			time.Sleep(100 * time.Millisecond)
		}
		if got := len(*asked); got < evictionBurst || got > evictionBurst+evictionsPerSecond {
			t.Errorf("%d evictions in a second, want %d to %d", got, evictionBurst, evictionBurst+evictionsPerSecond)
		}
	})
}

func TestRetainForgets(t *testing.T) {
	c, _ := evictions(func(string) error { return refused(0, "x") }, pod("a"))
	d := New(c)
	d.Step(t.Context(), seen(t, c, Target{Node: node(corev1.ConditionTrue), Cordoned: time.Now()}))
	if len(d.turns["node-1"]) != 1 {
		t.Fatalf("turns = %v", d.turns)
	}
	d.Retain(nil)
	if len(d.turns) != 0 {
		t.Errorf("turns = %v", d.turns)
	}
}

// client-go retries a 429 that says when to come back, ten times, inside the
// call; a tick would hang for minutes on one pod.
func TestEvictionDoesNotWaitInTheClient(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		if r.URL.Path != "/api/v1/namespaces/shop/pods/a/eviction" {
			t.Errorf("path = %s", r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "10")
		w.WriteHeader(http.StatusTooManyRequests)
		status := refused(10, "The disruption budget web is still being processed by the server.").(*apierrors.StatusError).ErrStatus
		status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		_ = json.NewEncoder(w).Encode(status)
	}))
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	err = evictor(client)(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a"}})
	if got := classifyAnswer(pod("a"), Around{}, err); got.Reason != PDBStale || got.RetryAfter != 10*time.Second {
		t.Errorf("answer = %+v", got)
	}
	if calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
}

// A pod has its grace by the clock of the API server that dates it, whatever ours says:
// with a server that is 26 hours behind, each pod that is asked to leave would have been
// overdue for a day, and its machine have been ended under it.
func TestGraceIsByTheClockThatDatesIt(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, ahead := range []time.Duration{0, -26 * time.Hour, -10 * time.Minute, 10 * time.Minute, 26 * time.Hour} {
		for _, c := range []struct {
			due  time.Duration
			left int
		}{{time.Minute, 1}, {-time.Minute, 1}, {-11 * time.Minute, 0}} {
			target := Target{Node: node(corev1.ConditionTrue), Pods: []*corev1.Pod{pod("web", leaving(now.Add(ahead+c.due)))}, Around: Around{Ahead: ahead}}
			if got := target.Classify(now); got.Left() != c.left {
				t.Errorf("server %s ahead: %d pods are left of one that is due in %s", ahead, got.Left(), c.due)
			}
		}
	}
}
