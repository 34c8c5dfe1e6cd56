package deep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/tidemill/tidemill/doctor"
)

// ward is an API server with nodes, and what becomes of the pods on them.
type ward struct {
	*fake.Clientset
	mu    sync.Mutex
	fate  map[string]func(*corev1.Pod) // by node: what its kubelet does to a pod
	logs  map[string]string
	count atomic.Int64
	most  atomic.Int64 // pods at a time
	now   atomic.Int64
}

func newWard() *ward {
	w := &ward{Clientset: fake.NewClientset(), fate: map[string]func(*corev1.Pod){}, logs: map[string]string{}}
	w.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		p := a.(clienttesting.CreateAction).GetObject().(*corev1.Pod)
		n := w.count.Add(1)
		p.Name, p.UID = fmt.Sprintf("%s%d", p.GenerateName, n), types.UID(fmt.Sprint("uid-", n))
		p.CreationTimestamp = metav1.Now()
		w.most.Store(max(w.most.Load(), w.now.Add(1)))
		w.mu.Lock()
		defer w.mu.Unlock()
		if do := w.fate[p.Spec.NodeName]; do != nil {
			do(p)
		}
		return false, p, nil
	})
	w.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		w.now.Add(-1)
		return false, nil, nil
	})
	return w
}

func node(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// ends is a kubelet whose container ends with a termination message.
func ends(code int32, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodSucceeded
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message}}}}
	}
}

func waits(reason string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodPending
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "because"}}}}
	}
}

func report(findings ...doctor.Finding) string {
	var b bytes.Buffer
	_ = (doctor.Report{Schema: doctor.Schema, Nodes: []doctor.NodeReport{{Node: "liar", Findings: findings}}}).WriteJSON(&b)
	return b.String()
}

func (w *ward) options() Options {
	return Options{Client: w.Clientset, Image: "tidemill:1", Privilege: PrivilegeRead, Poll: 5 * time.Millisecond, Timeout: 300 * time.Millisecond,
		Logs: func(ctx context.Context, ns, name string) ([]byte, error) {
			p, err := w.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			if log, ok := w.logs[p.Spec.NodeName]; ok {
				return []byte(log), nil
			}
			return nil, errors.New("the kubelet does not answer")
		}}
}

// left are the pods that are still there.
func (w *ward) left(t *testing.T) []corev1.Pod {
	t.Helper()
	list, err := w.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestVisits(t *testing.T) {
	synctest.Test(t, visitAll) // in its own time: a busy machine ends no visit
}

func visitAll(t *testing.T) {
	w := newWard()
	bad := doctor.Finding{Check: "root-read-only", Node: "liar", State: doctor.Fail, Reason: "ReadOnly", Message: "/ is\x1b[2J read-only"}
	w.fate["well"], w.logs["well"] = ends(0, ""), report(doctor.Finding{Check: "memory", State: doctor.Pass})
	w.fate["sick"], w.logs["sick"] = ends(1, ""), "time=now level=WARN msg=\"a warning first\"\n"+report(bad, bad, doctor.Finding{Check: "made-up", State: doctor.Fail})
	w.fate["mute"] = ends(1, `[{"c":"memory","s":"fail","r":"MemoryNearFull"}]`)
	w.fate["dumb"] = ends(2, "panic: a bug")
	w.fate["liar"], w.logs["liar"] = ends(0, ""), "\x00\x01 not json at all {\n"
	w.fate["flood"], w.logs["flood"] = ends(0, ""), strings.Repeat("x", maxLog)
	w.fate["older"], w.logs["older"] = ends(0, ""), `{"schema": "tidemill.dev/doctor/v0"}`
	w.fate["imageless"] = waits("ImagePullBackOff")
	w.fate["slow"] = waits("ContainerCreating")
	names := []string{"well", "sick", "mute", "dumb", "liar", "flood", "older", "imageless", "slow", "silent", "virtual"}
	var nodes []*corev1.Node
	for _, n := range names {
		nodes = append(nodes, node(n))
	}
	nodes[len(nodes)-1].Labels = map[string]string{"node-role.kubernetes.io/virtual-node": ""}
	o := w.options()
	o.Parallel = 3
	visits, err := Examine(t.Context(), o, nodes)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]error{"dumb": ErrNoReport, "liar": ErrNoReport, "flood": ErrNoReport, "older": ErrNoReport, "imageless": ErrRefused, "slow": ErrTimedOut, "silent": ErrTimedOut, "virtual": ErrNoHost}
	for i, v := range visits {
		if v.Node != names[i] || !errors.Is(v.Err, want[v.Node]) || (v.Err == nil) != (want[v.Node] == nil) || (v.Err == nil) != (len(v.Findings) == 1) {
			t.Errorf("%s: %d findings, %v; want %v", v.Node, len(v.Findings), v.Err, want[v.Node])
		}
	}
	if f := visits[1].Findings[0]; f.Node != "sick" || f.State != doctor.Fail || strings.ContainsRune(f.Message, '\x1b') || f.Remedy == "" {
		t.Errorf("adopted as %+v", f)
	}
	if f := visits[2].Findings[0]; f.Check != "memory" || f.State != doctor.Fail || f.Reason != "MemoryNearFull" {
		t.Errorf("from the brief: %+v", f)
	}
	if left := w.left(t); len(left) > 0 {
		t.Errorf("%d pods are left", len(left))
	}
	if w.most.Load() > 3 {
		t.Errorf("%d visits at a time", w.most.Load())
	}
}

// A node that goes away takes its pod with it, and a call that is ended leaves
// none.
func TestVisitsThatEndEarly(t *testing.T) {
	w := newWard()
	o := w.options()
	o.Timeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan []Visit)
	go func() {
		visits, err := Examine(ctx, o, []*corev1.Node{node("gone"), node("stays")})
		if err != nil {
			t.Error(err)
		}
		done <- visits
	}()
	for deadline := time.Now().Add(time.Minute); len(w.left(t)) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no pods")
		}
	}
	for _, p := range w.left(t) {
		if p.Spec.NodeName == "gone" {
			if err := w.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), p.Namespace, p.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for deadline := time.Now().Add(time.Minute); w.now.Load() > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the visit to a node that is gone goes on")
		}
	}
	cancel()
	visits := <-done
	if !errors.Is(visits[0].Err, ErrVanished) || !errors.Is(visits[1].Err, ErrTimedOut) || len(w.left(t)) != 0 {
		t.Errorf("%v, %d pods left", visits, len(w.left(t)))
	}
}

// One who calls off while the API server makes the pod takes the pod along: it
// stands, and its name is in the answer that nobody would have waited for.
func TestCalledOffWhileThePodIsMade(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var deleted atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.Method {
		case http.MethodPost:
			cancel()
			<-time.After(50 * time.Millisecond) // a caller that has gone by now is seen to have
			_, _ = io.WriteString(w, `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"made","namespace":"tidemill-doctor","uid":"u"}}`)
		case http.MethodDelete:
			if strings.HasSuffix(r.URL.Path, "/made") {
				deleted.Add(1)
			}
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
		default:
			_, _ = io.WriteString(w, `{"kind":"PodList","apiVersion":"v1","items":[]}`)
		}
	}))
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	visits, err := Examine(ctx, Options{Client: client, Image: "tidemill:1", Privilege: PrivilegeRead}, []*corev1.Node{node("n")})
	if err != nil || !errors.Is(visits[0].Err, ErrTimedOut) || deleted.Load() != 1 {
		t.Errorf("%+v, %v: the pod was deleted %d times, want once", visits, err, deleted.Load())
	}
}

// What a killed visitor left is swept once its time is over, and nobody else's
// pod ever is.
func TestSweep(t *testing.T) {
	w := newWard()
	o := w.options().withDefaults()
	now := time.Now()
	put := func(name string, edit func(*corev1.Pod)) {
		p := o.pod(node("n"), now)
		p.Namespace, p.CreationTimestamp = o.Namespace, metav1.NewTime(now.Add(-2*time.Hour))
		edit(p)
		p.GenerateName = name
		if _, err := w.CoreV1().Pods(o.Namespace).Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put("goes-on", func(*corev1.Pod) {})
	put("over", func(p *corev1.Pod) { p.Annotations[annotationExpires] = now.Add(-time.Second).Format(time.RFC3339) })
	put("foreign", func(p *corev1.Pod) { p.Labels, p.Annotations = nil, nil })
	if n, err := Sweep(t.Context(), w, o.Namespace, now); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	for _, p := range w.left(t) {
		if strings.HasPrefix(p.Name, "over") {
			t.Error("what is over is still there")
		}
	}
	if len(w.left(t)) != 2 {
		t.Errorf("%d pods are left", len(w.left(t)))
	}
}

// The pod has what its privilege needs and no more, at every step.
func TestPrivileges(t *testing.T) {
	for p := PrivilegeRead; p <= PrivilegeFull; p++ {
		if back, err := ParsePrivilege(p.String()); back != p || err != nil {
			t.Errorf("%v: %v, %v", p, back, err)
		}
		pod := Options{Image: "i", Privilege: p}.withDefaults().pod(node("n"), time.Now())
		s, c := pod.Spec, pod.Spec.Containers[0]
		if *s.AutomountServiceAccountToken || s.ActiveDeadlineSeconds == nil || s.RestartPolicy != corev1.RestartPolicyNever || s.NodeName != "n" || pod.Annotations[annotationExpires] == "" {
			t.Errorf("%v: a pod that lasts, or has a token: %+v", p, s)
		}
		if full := p == PrivilegeFull; full != (c.SecurityContext.Privileged != nil) || full == c.VolumeMounts[0].ReadOnly || full != s.HostPID {
			t.Errorf("%v: privileged %v, read-only %v", p, c.SecurityContext.Privileged, c.VolumeMounts[0].ReadOnly)
		}
		if p == PrivilegeRead && (!*c.SecurityContext.RunAsNonRoot || len(c.SecurityContext.Capabilities.Add) > 0 || s.HostNetwork) {
			t.Errorf("%v is more than a reader: %+v", p, c.SecurityContext)
		}
		if p < PrivilegeFull && (*c.SecurityContext.AllowPrivilegeEscalation || c.VolumeMounts[0].RecursiveReadOnly == nil || c.SecurityContext.Capabilities.Drop[0] != "ALL") {
			t.Errorf("%v can become more: %+v", p, c.SecurityContext)
		}
		if masked := len(c.VolumeMounts) == 2 && c.VolumeMounts[1].MountPath == "/host/run"; masked != (p == PrivilegeLog) {
			t.Errorf("%v: /run masked %t", p, masked)
		}
	}
	if _, err := ParsePrivilege("root"); err == nil {
		t.Error("root is no privilege")
	}
}
