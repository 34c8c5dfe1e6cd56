package buffer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func object(t *testing.T, text string) unstructured.Unstructured {
	t.Helper()
	var m map[string]any
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	integers(m)
	u := unstructured.Unstructured{Object: m}
	u.SetNamespace("default")
	u.SetName("x")
	u.SetGeneration(3)
	u.SetCreationTimestamp(metav1.NewTime(now.Add(-time.Minute)))
	return u
}

// integers makes whole numbers what the API server's decoder makes of them.
func integers(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if f, ok := x.(float64); ok && f == float64(int64(f)) {
				v[k] = int64(f)
			}
			integers(v[k])
		}
	case []any:
		for _, x := range v {
			integers(x)
		}
	}
}

func template(namespace, name string) (*corev1.PodTemplateSpec, error) {
	if name != "web" {
		return nil, fmt.Errorf("read PodTemplate %s: not found", name)
	}
	t := &corev1.PodTemplateSpec{}
	t.Labels = map[string]string{"app": "web"}
	t.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "wait"}}
	t.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		"cpu": resource.MustParse("500m"), "memory": resource.MustParse("1Gi"),
	}}}}
	return t, nil
}

func objects(requests, buffers []unstructured.Unstructured) Objects {
	return Objects{Requests: requests, Buffers: buffers, Template: template, Workload: func(kind, ns, name string) (*corev1.PodTemplateSpec, int, error) {
		if kind != "Deployment" {
			return nil, 0, fmt.Errorf("read spec.scalableRef: kind %q", kind)
		}
		t, err := template(ns, name)
		return t, 7, err
	}}
}

// conditions are "Type=Status Reason" of the object as it would be told.
func conditions(u *unstructured.Unstructured) string {
	if u == nil {
		return ""
	}
	var out []string
	for _, c := range conditionsOf(u) {
		out = append(out, fmt.Sprintf("%s=%s %s", c.Type, c.Status, c.Reason))
	}
	return strings.Join(out, ", ")
}

const requestText = `
spec:
  provisioningClassName: %s
  podSets: [{count: 3, podTemplateRef: {name: web}}, {count: 2, podTemplateRef: {name: web}}]
`

func TestRequests(t *testing.T) {
	good := fmt.Sprintf(requestText, ClassAtomic)
	told := func(at string, list ...string) string {
		s := "\nstatus:\n  conditions:\n"
		for _, kind := range list {
			s += fmt.Sprintf("  - {type: %s, status: \"True\", reason: R, message: m, lastTransitionTime: %q}\n", kind, at)
		}
		return s
	}
	recent, long := "2026-03-01T11:55:00Z", "2026-03-01T11:49:00Z"
	for _, tt := range []struct {
		name, text string
		outcome    Outcome
		pods       int
		want       string
	}{
		{"new, with room", good, Outcome{There: 5}, 5, "Accepted=True Accepted, Provisioned=True CapacityIsFound"},
		{"new, nodes come", good, Outcome{There: 1, Coming: 4}, 5, "Accepted=True Accepted, Provisioned=False CapacityIsComing"},
		{"new, no room", good, Outcome{There: 1, Not: 4, Why: "NoPoolFits"}, 5, "Accepted=True Accepted, Provisioned=False CapacityIsNotFound"},
		{"no retry", good + "  parameters: {noRetry: \"true\"}", Outcome{Not: 5}, 5, "Accepted=True Accepted, Failed=True CapacityIsNotFound"},
		{"no longer valid", good + "  parameters: {ValidUntilSeconds: \"30\"}", Outcome{Not: 5}, 5, "Failed=True Expired"},
		{"kept", good + told(recent, "Accepted", "Provisioned"), Outcome{There: 5}, 5, ""},
		{"kept too long", good + told(long, "Accepted", "Provisioned"), Outcome{}, 0, "Accepted=True R, Provisioned=True R, BookingExpired=True BookingExpired"},
		{"room is gone", good + told(recent, "Accepted", "Provisioned"), Outcome{There: 1, Not: 4}, 5, "Accepted=True R, Provisioned=True R, CapacityRevoked=True CapacityRevoked"},
		{"no pod sets", "spec: {provisioningClassName: " + ClassCheck + "}", Outcome{}, 0, "Accepted=False NotAccepted"},
		{"no template", strings.ReplaceAll(good, "name: web", "name: gone"), Outcome{}, 0, "Accepted=False NotAccepted"},
		{"absurd count", strings.ReplaceAll(good, "count: 3", "count: 3000000000"), Outcome{}, 0, "Accepted=False NotAccepted"},
		{"count of words", strings.ReplaceAll(good, "count: 3", "count: many"), Outcome{}, 0, "Accepted=False NotAccepted"},
		{"a parameter of words", good + "  parameters: {ValidUntilSeconds: soon}", Outcome{}, 0, "Accepted=False NotAccepted"},
	} {
		u := object(t, tt.text)
		wishes := Read(objects([]unstructured.Unstructured{u}, nil), now)
		if len(wishes) != 1 || len(wishes[0].Pods) != tt.pods {
			t.Errorf("%s: %d wishes, %+v", tt.name, len(wishes), wishes)
			continue
		}
		if got := conditions(wishes[0].Told(tt.outcome, now)); got != tt.want {
			t.Errorf("%s: told %q, want %q", tt.name, got, tt.want)
		}
	}
	for name, text := range map[string]string{
		"another class": fmt.Sprintf(requestText, "queued-provisioning.gke.io"),
		"failed":        good + told(recent, "Failed"),
		"expired":       good + told(long, "Provisioned", "BookingExpired"),
	} {
		if w := Read(objects([]unstructured.Unstructured{object(t, text)}, nil), now); len(w) != 0 {
			t.Errorf("%s: %d wishes", name, len(w))
		}
	}
}

// What is told once is not told again, and a condition that stays keeps its time.
func TestToldOnce(t *testing.T) {
	u := object(t, fmt.Sprintf(requestText, ClassCheck))
	w := Read(objects([]unstructured.Unstructured{u}, nil), now)[0]
	first := w.Told(Outcome{Not: 5, Why: "NoRoomNow"}, now)
	later := now.Add(time.Minute)
	w = Read(objects([]unstructured.Unstructured{*first}, nil), later)[0]
	if again := w.Told(Outcome{Not: 5, Why: "NoRoomNow"}, later); again != nil {
		t.Errorf("told again: %v", again.Object["status"])
	}
	other := w.Told(Outcome{Not: 4, Why: "NoRoomNow"}, later)
	c := find(conditionsOf(other), conditionProvisioned)
	if !c.LastTransitionTime.Time.Equal(now) || c.ObservedGeneration != 3 {
		t.Errorf("condition %+v: its status has not changed since %s", c, now)
	}
	if u.Object["status"] != nil {
		t.Error("the object that was read has changed")
	}
}

// Pods that exist by now need no room of their own.
func TestConsumedRequests(t *testing.T) {
	u := object(t, fmt.Sprintf(requestText, ClassAtomic))
	o := objects([]unstructured.Unstructured{u}, nil)
	for i := range 4 {
		pod := &corev1.Pod{}
		pod.Namespace, pod.Annotations = "default", map[string]string{consumeKeys[i%2]: "x"}
		o.Pods = append(o.Pods, pod)
	}
	other := &corev1.Pod{}
	other.Namespace, other.Annotations = "elsewhere", map[string]string{consumeKeys[0]: "x"}
	o.Pods = append(o.Pods, other)
	if w := Read(o, now); len(w[0].Pods) != 1 {
		t.Errorf("%d virtual pods beside four that exist, want 1", len(w[0].Pods))
	}
}

func TestVirtualPods(t *testing.T) {
	w := Read(objects([]unstructured.Unstructured{object(t, fmt.Sprintf(requestText, ClassCheck))}, nil), now)[0]
	seen := map[types.UID]bool{}
	for _, pod := range w.Pods {
		name, size := Group(pod)
		if seen[pod.UID] || Owner(pod) != "ProvisioningRequest/default/x" || !ChecksOnly(pod) || name != w.ID() || size != 0 {
			t.Fatalf("pod %s: %v", pod.Name, pod.Annotations)
		}
		seen[pod.UID] = true
		if len(pod.Spec.SchedulingGates) > 0 || *pod.Spec.Priority != Priority || pod.Labels["app"] != "web" {
			t.Fatalf("pod %s: %+v", pod.Name, pod.Spec)
		}
	}
	if Owner(&corev1.Pod{}) != "" || ChecksOnly(&corev1.Pod{}) {
		t.Error("a real pod is taken for a virtual one")
	}
}

func TestBuffers(t *testing.T) {
	for _, tt := range []struct {
		name, spec string
		pods       int
		err        string
	}{
		{"replicas", "{podTemplateRef: {name: web}, replicas: 4}", 4, ""},
		{"percentage, rounded up", "{scalableRef: {kind: Deployment, name: web}, percentage: 20}", 2, ""},
		{"percentage, one at least", "{scalableRef: {kind: Deployment, name: web}, percentage: 1}", 1, ""},
		{"the larger of both", "{scalableRef: {kind: Deployment, name: web}, percentage: 20, replicas: 5}", 5, ""},
		{"limits alone", "{podTemplateRef: {name: web}, limits: {cpu: \"3\", memory: 4Gi}}", 4, ""},
		{"limits bound", "{podTemplateRef: {name: web}, replicas: 9, limits: {cpu: 2}}", 4, ""},
		{"our strategy by name", "{provisioningStrategy: buffer.x-k8s.io/active-capacity, podTemplateRef: {name: web}, replicas: 1}", 1, ""},
		{"none", "{podTemplateRef: {name: web}, replicas: 0}", 0, ""},
		{"no number", "{podTemplateRef: {name: web}}", 0, "none of replicas, percentage and limits"},
		{"no template", "{replicas: 1}", 0, "neither a podTemplateRef nor a scalableRef"},
		{"both", "{podTemplateRef: {name: web}, scalableRef: {kind: Deployment, name: web}, replicas: 1}", 0, "exclude each other"},
		{"unknown kind", "{scalableRef: {kind: Rocket, name: web}, replicas: 1}", 0, `kind "Rocket"`},
		{"percentage of nothing", "{podTemplateRef: {name: web}, percentage: 5}", 0, "needs a scalableRef"},
		{"negative", "{podTemplateRef: {name: web}, replicas: -1}", 0, "not a number of 0 or more"},
		{"absurd", "{podTemplateRef: {name: web}, replicas: 100000}", 0, "5000 at most"},
		{"a limit of words", "{podTemplateRef: {name: web}, limits: {cpu: lots}}", 0, "not a quantity"},
		{"a limit of what nobody asks for", "{podTemplateRef: {name: web}, limits: {gpu: 1}}", 0, "ask for none of it"},
	} {
		w := Read(objects(nil, []unstructured.Unstructured{object(t, "spec: "+tt.spec)}), now)
		if len(w) != 1 || len(w[0].Pods) != tt.pods || (w[0].Err == nil) != (tt.err == "") || w[0].Err != nil && !strings.Contains(w[0].Err.Error(), tt.err) {
			t.Errorf("%s: %d pods, %v; want %d, %q", tt.name, len(w[0].Pods), w[0].Err, tt.pods, tt.err)
			continue
		}
		want := "ReadyForProvisioning=True Ready, Provisioning=True CapacityIsThere"
		if tt.err != "" {
			want = "ReadyForProvisioning=False NotReady"
		}
		told := w[0].Told(Outcome{There: tt.pods}, now)
		if got := conditions(told); got != want {
			t.Errorf("%s: told %q, want %q", tt.name, got, want)
		}
		if n, _, _ := unstructured.NestedInt64(told.Object, "status", "replicas"); tt.err == "" && n != int64(tt.pods) {
			t.Errorf("%s: status.replicas %d", tt.name, n)
		}
	}
	if w := Read(objects(nil, []unstructured.Unstructured{object(t, "spec: {provisioningStrategy: other, replicas: 1}")}), now); len(w) != 0 {
		t.Error("a buffer of another strategy is taken")
	}
}

func TestControllers(t *testing.T) {
	tmpl, _ := template("", "web")
	n := func(v int32) *int32 { return &v }
	yes := true
	for _, tt := range []struct {
		name string
		c    Controller
		want int
	}{
		{"replica set", OfReplicaSet(&appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Replicas: n(5)}}), 5},
		{"replica set by default", OfReplicaSet(&appsv1.ReplicaSet{}), 1},
		{"stateful set", OfStatefulSet(&appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Replicas: n(3)}}), 3},
		{"job", OfJob(&batchv1.Job{Spec: batchv1.JobSpec{Parallelism: n(8), Completions: n(20)}, Status: batchv1.JobStatus{Succeeded: 15}}), 5},
		{"job with a queue", OfJob(&batchv1.Job{Spec: batchv1.JobSpec{Parallelism: n(8)}}), 8},
		{"job whose queue is empty", OfJob(&batchv1.Job{Spec: batchv1.JobSpec{Parallelism: n(8)}, Status: batchv1.JobStatus{Succeeded: 1}}), 0},
		{"suspended job", OfJob(&batchv1.Job{Spec: batchv1.JobSpec{Parallelism: n(8), Suspend: &yes}}), 0},
		{"failed job", OfJob(&batchv1.Job{Status: batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue}}}}), 0},
	} {
		if tt.c.Want != tt.want {
			t.Errorf("%s wants %d pods, want %d", tt.name, tt.c.Want, tt.want)
		}
	}
	owned := func(phase corev1.PodPhase) *corev1.Pod {
		p := &corev1.Pod{}
		p.OwnerReferences = []metav1.OwnerReference{{UID: "a", Controller: &yes}}
		p.Status.Phase = phase
		return p
	}
	o := Objects{
		Controllers: []Controller{{"Job", "default", "b", "b", tmpl, 2}, {"Job", "default", "a", "a", tmpl, 3}, {"Job", "default", "c", "c", tmpl, 0}},
		Pods:        []*corev1.Pod{owned(corev1.PodPending), owned(corev1.PodRunning), owned(corev1.PodSucceeded)},
	}
	var got []string
	for _, w := range Read(o, now) {
		got = append(got, fmt.Sprintf("%s %d", w.ID(), len(w.Pods)))
	}
	if diff := cmp.Diff([]string{"Job/default/a 1", "Job/default/b 2"}, got); diff != "" {
		t.Error(diff)
	}
}

// The bound on virtual pods leaves whole wishes out and serves what fits after.
func TestBound(t *testing.T) {
	tmpl, _ := template("", "web")
	o := Objects{Controllers: []Controller{
		{"Job", "default", "a", "a", tmpl, MaxPods - 10}, {"Job", "default", "b", "b", tmpl, 20}, {"Job", "default", "c", "c", tmpl, 10},
	}}
	w := Read(o, now)
	if len(w) != 3 || len(w[0].Pods) != MaxPods-10 || w[1].Err == nil || len(w[1].Pods) != 0 || len(w[2].Pods) != 10 {
		t.Errorf("%d wishes: %d, %v, %d pods", len(w), len(w[0].Pods), w[1].Err, len(w[2].Pods))
	}
}

func TestGroups(t *testing.T) {
	name := "gang"
	for _, tt := range []struct {
		pod  corev1.Pod
		want string
		size int
	}{
		{corev1.Pod{}, "", 0},
		{corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Labels: map[string]string{labelPodGroup: "g"}}}, "a/g", 0},
		{corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Labels: map[string]string{labelKueueGroup: "g"}, Annotations: map[string]string{annotationKueueCount: "4"}}}, "a/g", 4},
		{corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Labels: map[string]string{labelKueueGroup: "g"}, Annotations: map[string]string{annotationKueueCount: "-4"}}}, "a/g", 0},
		{corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a"}, Spec: corev1.PodSpec{SchedulingGroup: &corev1.PodSchedulingGroup{PodGroupName: &name}}}, "a/gang", 0},
	} {
		if got, size := Group(&tt.pod); got != tt.want || size != tt.size {
			t.Errorf("%v: group %q of %d, want %q of %d", tt.pod.Labels, got, size, tt.want, tt.size)
		}
	}
}

// Whatever stands in an object, reading it ends, and says why or how many.
func FuzzRead(f *testing.F) {
	f.Add(fmt.Sprintf(requestText, ClassAtomic), true)
	f.Add("spec: {podTemplateRef: {name: web}, replicas: 4, limits: {cpu: 1}}", false)
	f.Add("spec: {scalableRef: [1], percentage: x}\nstatus: {conditions: [1, {type: A}]}", false)
	f.Fuzz(func(t *testing.T, text string, request bool) {
		var m map[string]any
		if yaml.Unmarshal([]byte(text), &m) != nil || m == nil {
			return
		}
		integers(m)
		u := []unstructured.Unstructured{{Object: m}}
		o := objects(u, nil)
		if !request {
			o = objects(nil, u)
		}
		for _, w := range Read(o, now) {
			if len(w.Pods) > MaxPods || w.Err != nil && len(w.Pods) > 0 {
				t.Fatalf("%d pods, %v", len(w.Pods), w.Err)
			}
			w.Told(Outcome{Not: 1}, now)
		}
	})
}
