package cycle

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// answering is a server that answers always the same.
func answering(t *testing.T, status int, body string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestServersOpenGates(t *testing.T) {
	prometheus := func(status int, body string) v1alpha1.CycleGate {
		return v1alpha1.CycleGate{Name: "g", Prometheus: &v1alpha1.PrometheusGate{URL: answering(t, status, body) + "/", Query: "up == bool 1"}}
	}
	vector := func(values string) string {
		return `{"status":"success","data":{"resultType":"vector","result":[` + values + `]}}`
	}
	teapot := int32(http.StatusTeapot)
	probe := func(body, match string, want *int32) v1alpha1.CycleGate {
		return v1alpha1.CycleGate{Name: "g", HTTP: &v1alpha1.HTTPGate{URL: answering(t, http.StatusTeapot, body), Status: want, Body: match}}
	}
	for _, c := range []struct {
		name string
		gate v1alpha1.CycleGate
		open bool
		says string
	}{
		{"a sample that is 1", prometheus(200, vector(`{"metric":{},"value":[1,"1"]}`)), true, ""},
		{"one of two is 0", prometheus(200, vector(`{"metric":{},"value":[1,"1"]},{"metric":{},"value":[1,"0"]}`)), false, "gives 0"},
		{"no sample", prometheus(200, vector("")), false, "no samples"},
		{"not a number", prometheus(200, vector(`{"metric":{},"value":[1,"NaN"]}`)), false, "NaN"},
		{"a scalar", prometheus(200, `{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`), true, ""},
		{"a matrix", prometheus(200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`), false, "matrix"},
		{"a query that is wrong", prometheus(400, `{"status":"error","error":"parse error"}`), false, "parse error"},
		{"no Prometheus", prometheus(200, "<html>"), false, "answers 200"},
		{"the wrong status", probe("fine", "", nil), false, "answers 418 and not 200"},
		{"the right status", probe("fine", "", &teapot), true, ""},
		{"a body that matches", probe("all fine", "^all (fine|well)$", &teapot), true, ""},
		{"a body that does not", probe("all ill", "^all (fine|well)$", &teapot), false, "does not match"},
		{"an expression that is wrong", probe("", "(", &teapot), false, "expression"},
		{"nobody there", v1alpha1.CycleGate{HTTP: &v1alpha1.HTTPGate{URL: "http://127.0.0.1:1/"}}, false, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := (&Loop{}).askOne(t.Context(), c.gate)
			if a.Open != c.open || !strings.Contains(a.Message, c.says) || a.At.IsZero() {
				t.Errorf("%+v; want open %v, %q", a, c.open, c.says)
			}
		})
	}
}

// gated is a pool in the middle of a run, with gates.
func gated(gates ...v1alpha1.CycleGate) (*worldtest.World, *v1alpha1.Pool) {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi", worldtest.Annotations[*v1alpha1.Pool](v1alpha1.AnnotationCycle, "now"))
	w.AddNode("workers", "n1")
	w.AddNode("workers", "n2")
	for i := range w.Cloud.Instances[worldtest.PoolID("workers")] {
		w.Cloud.Instances[worldtest.PoolID("workers")][i].Created = w.Now.Add(-24 * time.Hour)
	}
	p := &w.Objects.Pools[0]
	p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand, Gates: gates}
	p.Status.Cycle = &v1alpha1.CycleStatus{Request: v1alpha1.AnnotationCycle + "=now", Desired: 2, Stale: 2, StartedAt: metav1.NewTime(w.Now.Add(-time.Minute))}
	return w, p
}

// begins is whether the plan begins anything new, and why not.
func begins(s *world.Snapshot, p Policy) (bool, string) {
	plan := Decide(s, p)
	for _, step := range plan.Steps {
		if step.Kind == Surge || step.Kind == Mark {
			return true, ""
		}
	}
	if w := plan.Pools[0].Wait; w != nil {
		return false, string(w.Reason) + ": " + w.Message
	}
	return false, ""
}

// An answer is a value with an age: none, an old one and a bad one are alike.
func TestGatesHoldWhatIsNew(t *testing.T) {
	gate := v1alpha1.CycleGate{Name: "alerts", Prometheus: &v1alpha1.PrometheusGate{URL: "http://prometheus", Query: "1"}}
	w, _ := gated(gate)
	answer := func(open bool, age time.Duration) Policy {
		return Policy{Gates: map[GateKey]GateAnswer{{"workers", "alerts"}: {Open: open, Message: "an alert fires", At: w.Now.Add(-age)}}}
	}
	for _, c := range []struct {
		name   string
		policy Policy
		open   bool
		says   string
	}{
		{"not asked", Policy{}, false, "not been asked"},
		{"open", answer(true, 0), true, ""},
		{"closed", answer(false, 0), false, "GateClosed: gate alerts is closed: an alert fires"},
		{"open, long ago", answer(true, 2*time.Minute), false, "2m0s old"},
	} {
		if open, says := begins(w.Snapshot(), c.policy); open != c.open || !strings.Contains(says, c.says) {
			t.Errorf("%s: begins %v, %q", c.name, open, says)
		}
	}
}

func TestApprovalIsForOneRun(t *testing.T) {
	w, p := gated(v1alpha1.CycleGate{Name: "person", Approval: &v1alpha1.ApprovalGate{}})
	open, says := begins(w.Snapshot(), Policy{})
	token := p.Status.Cycle.StartedAt.UTC().Format(time.RFC3339)
	if open || !strings.Contains(says, v1alpha1.AnnotationApprove+"="+token) {
		t.Errorf("without approval: %v, %q", open, says)
	}
	p.Annotations[v1alpha1.AnnotationApprove] = "2026-01-01T00:00:00Z"
	if open, _ := begins(w.Snapshot(), Policy{}); open {
		t.Error("an older run's approval opened the gate")
	}
	p.Annotations[v1alpha1.AnnotationApprove] = token
	if open, says := begins(w.Snapshot(), Policy{}); !open {
		t.Errorf("approved: %q", says)
	}
}

func TestPodsHoldTheGate(t *testing.T) {
	backup := metav1.LabelSelector{MatchLabels: map[string]string{"app": "backup"}}
	w, _ := gated(v1alpha1.CycleGate{Name: "backups", Pods: &v1alpha1.PodsGate{Selector: backup}})
	if open, says := begins(w.Snapshot(), Policy{}); !open {
		t.Errorf("no such pod: %q", says)
	}
	pod := w.AddPod("nightly", "1", "1Gi", worldtest.On("n1"))
	pod.Labels = map[string]string{"app": "backup"}
	if open, says := begins(w.Snapshot(), Policy{}); open || !strings.Contains(says, "/nightly is there") {
		t.Errorf("a backup runs: %v, %q", open, says)
	}
	for i := range w.Objects.Pods {
		w.Objects.Pods[i].Status.Phase = corev1.PodSucceeded
	}
	if open, says := begins(w.Snapshot(), Policy{}); !open {
		t.Errorf("it is over: %q", says)
	}
}

// What the run has made must be well for more to follow; what is old may be ill, that
// is why it goes.
func TestTheDoctorHoldsTheGate(t *testing.T) {
	ill := func(n *corev1.Node) {
		for i, c := range n.Status.Conditions {
			if c.Type == v1alpha1.NodeConditionProblem {
				n.Status.Conditions[i].Status, n.Status.Conditions[i].Reason, n.Status.Conditions[i].Message = corev1.ConditionTrue, "DiskFull", "no byte is left"
			}
		}
	}
	well := func(*corev1.Node) {}
	for name, c := range map[string]struct {
		old, young func(*corev1.Node)
		gate       bool
		open       bool
		says       string
	}{
		"all are well":                   {well, well, true, true, ""},
		"an old node is ill":             {ill, well, true, true, ""},
		"a new one is":                   {well, ill, true, false, "gate healthy is closed: the doctor has found something on new node n3: DiskFull: no byte is left"},
		"a new one's kubelet is silent":  {well, func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }, true, false, "new node n3 is not well"},
		"a new one is not examined":      {well, worldtest.Gated, true, true, ""},
		"a new one is ill and no gate":   {well, ill, false, true, ""},
		"a new one is being taken again": {well, func(n *corev1.Node) { ill(n); n.Annotations[v1alpha1.AnnotationCycle] = "x" }, true, false, "n3"},
	} {
		t.Run(name, func(t *testing.T) {
			var gates []v1alpha1.CycleGate
			if c.gate {
				gates = append(gates, v1alpha1.CycleGate{Name: "healthy", Doctor: &v1alpha1.DoctorGate{}})
			}
			w, p := gated(gates...)
			w.AddNode("workers", "n3", c.young)
			machines := w.Cloud.Instances[worldtest.PoolID("workers")]
			machines[len(machines)-1].Created = w.Now.Add(-30 * time.Second)
			two := intstr.FromInt32(2)
			p.Spec.Cycle.MaxUnavailable = &two
			c.old(&w.Objects.Nodes[0])
			if open, says := begins(w.Snapshot(), Policy{}); open != c.open || !strings.Contains(says, c.says) {
				t.Errorf("begins %v, %q; want %v, %q", open, says, c.open, c.says)
			}
		})
	}
}

// Servers that answer at once do so while others are still to be asked.
func TestManyGatesAreAskedAtOnce(t *testing.T) {
	var gates []v1alpha1.CycleGate
	for i := range 300 {
		gates = append(gates, v1alpha1.CycleGate{Name: fmt.Sprint("g", i), HTTP: &v1alpha1.HTTPGate{URL: "http://shop"}})
	}
	w, _ := gated(gates...)
	for range 100 { // who reads the answers while they are written is killed by the runtime, some time
		l := &Loop{HTTP: &http.Client{Transport: refusing{}}, gates: map[GateKey]GateAnswer{}}
		l.ask(t.Context(), w.Snapshot())
		if len(l.gates) != len(gates) {
			t.Fatalf("%d of %d gates have an answer", len(l.gates), len(gates))
		}
	}
}

// refusing is a network in which nobody answers.
type refusing struct{}

// RoundTrip implements http.RoundTripper.
func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}
