package model

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"

	"github.com/tidemill/tidemill/internal/kube"
)

func newServer(t *testing.T) *Server {
	t.Helper()
	crd, err := os.ReadFile("../../../manifests/base/crd/tidemill.dev_pools.yaml")
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(scheme, crd)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends a request, "PATCH /api/v1/nodes/a?force=true", and returns status and
// body; what kind of patch it is stands before the body.
func ask(s *Server, what, body string) (int, map[string]any) {
	method, rest, _ := strings.Cut(what, " ")
	path, query, _ := strings.Cut(rest, "?")
	q, _ := url.ParseQuery(query)
	r := Request{User: "test", Method: method, Path: path, Query: q, ContentType: "application/json"}
	if kind, text, ok := strings.Cut(body, ": "); ok && !strings.Contains(kind, "{") {
		r.ContentType, body = map[string]string{"merge": "application/merge-patch+json", "apply": "application/apply-patch+yaml", "strategic": "application/strategic-merge-patch+json", "json": "application/json-patch+json"}[kind], text
	}
	r.Body = []byte(body)
	a := s.Serve(&r)
	var out map[string]any
	_ = json.Unmarshal(a.Body, &out) // a watch has none
	return a.Status, out
}

const nodes, pods, pools = "/api/v1/nodes", "/api/v1/namespaces/n/pods", "/apis/tidemill.dev/v1alpha1/pools"

// Each line is a request and the status it must get, in one history.
func TestHistory(t *testing.T) {
	s := newServer(t)
	for i, step := range []struct {
		what, body string
		want       int
	}{
		{"POST " + nodes, `{"metadata":{"name":"a","labels":{"x":"1"}}}`, 201},
		{"POST " + nodes, `{"metadata":{"name":"a"}}`, 409},
		{"POST " + nodes, `{"metadata":{"name":"b","resourceVersion":"3"}}`, 500},
		{"GET " + nodes + "/nobody", ``, 404},
		{"GET " + nodes + "/a/scale", ``, 404},
		{"POST " + nodes + "/a", `{}`, 405},
		{"PATCH " + nodes + "/a", `merge: {"metadata":{"resourceVersion":"1"}}`, 409},
		{"PATCH " + nodes + "/a", `merge: {"metadata":{"uid":"another"}}`, 422},
		{"PATCH " + nodes + "/a", `strategic: {"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]}}`, 200},
		{"PATCH " + nodes + "/a", `json: [{"op":"test","path":"/metadata/name","value":"b"}]`, 422},
		{"PATCH " + nodes + "/a?fieldManager=one", `apply: {"apiVersion":"v1","kind":"Node","metadata":{"name":"a","labels":{"y":"1"}}}`, 200},
		{"PATCH " + nodes + "/a?fieldManager=two", `apply: {"apiVersion":"v1","kind":"Node","metadata":{"name":"a","labels":{"y":"2"}}}`, 409},
		{"PATCH " + nodes + "/a?fieldManager=two&force=true", `apply: {"apiVersion":"v1","kind":"Node","metadata":{"name":"a","labels":{"y":"2"}}}`, 200},
		{"PATCH " + nodes + "/new?fieldManager=one", `apply: {"apiVersion":"v1","kind":"Node","metadata":{"name":"new"}}`, 201},
		{"DELETE " + nodes + "/a", `{"preconditions":{"uid":"another"}}`, 409},
		{"PATCH " + nodes + "/a", `merge: {"metadata":{"finalizers":["x/y"]}}`, 200},
		{"DELETE " + nodes + "/a", `{}`, 200},
		{"PATCH " + nodes + "/a", `merge: {"metadata":{"finalizers":["x/y","x/z"]}}`, 422},
		{"GET " + nodes + "/a", ``, 200},
		{"PATCH " + nodes + "/a", `merge: {"metadata":{"finalizers":null}}`, 200},
		{"GET " + nodes + "/a", ``, 404},
		{"PUT /apis/coordination.k8s.io/v1/namespaces/n/leases/l", `{"metadata":{"name":"l"},"spec":{"holderIdentity":"a"}}`, 201},
		{"PUT /apis/coordination.k8s.io/v1/namespaces/n/leases/l", `{"metadata":{"name":"l"},"spec":{"holderIdentity":"b"}}`, 422},
		{"POST " + pools, `{"metadata":{"name":"p"},"spec":{"nodePoolID":""}}`, 422},
		{"POST " + pools, `{"metadata":{"name":"p"},"spec":{"nodePoolID":"x","scale":{"minSize":3,"maxSize":2}}}`, 422},
		{"POST " + pools, `{"metadata":{"name":"p"},"spec":{"nodePoolID":"x","repair":{}}}`, 201},
		{"PATCH " + pools + "/p", `merge: {"spec":{"nodePoolID":"y"}}`, 422},
		{"PATCH " + pools + "/p", `strategic: {}`, 415},
		{"PATCH " + pools + "/p/status", `merge: {"status":{"conditions":[{"type":"Ready","status":"Perhaps","reason":"R","message":"","lastTransitionTime":"2000-01-01T00:00:00Z"}]}}`, 422},
		{"PATCH " + pools + "/p/status?fieldManager=one", `apply: {"apiVersion":"tidemill.dev/v1alpha1","kind":"Pool","metadata":{"name":"p"},"status":{"conditions":[{"type":"Ready","status":"Perhaps","reason":"R","message":"","lastTransitionTime":"2000-01-01T00:00:00Z"}]}}`, 422},
	} {
		if got, body := ask(s, step.what, step.body); got != step.want {
			t.Errorf("%d. %s %s: %d, want %d: %v", i, step.what, step.body, got, step.want, body)
		}
	}
	if _, p := ask(s, "GET "+pools+"/p", ""); fmt.Sprint(p["spec"].(map[string]any)["repair"]) != "map[mode:DryRun]" {
		t.Errorf("the default of repair is not filled in: %v", p["spec"])
	}
}

// A budget is spent by who comes first, and spent even by an eviction that fails.
func TestEviction(t *testing.T) {
	s := newServer(t)
	for _, name := range []string{"a", "b"} {
		ask(s, "POST "+pods, `{"metadata":{"name":"`+name+`","labels":{"app":"x"}},"spec":{"nodeName":"n"}}`)
		ask(s, "PATCH "+pods+"/"+name+"/status", `merge: {"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`)
	}
	budgets := "/apis/policy/v1/namespaces/n/poddisruptionbudgets"
	ask(s, "POST "+budgets, `{"metadata":{"name":"x"},"spec":{"maxUnavailable":1,"selector":{"matchLabels":{"app":"x"}}}}`)
	evict := func(pod string) int {
		status, _ := ask(s, "POST "+pods+"/"+pod+"/eviction", `{"metadata":{"name":"`+pod+`"}}`)
		return status
	}
	if got := evict("a"); got != 429 {
		t.Errorf("a budget that nobody has looked at yet allows it: %d", got)
	}
	ask(s, "PATCH "+budgets+"/x/status", `merge: {"status":{"observedGeneration":1,"disruptionsAllowed":1,"currentHealthy":2,"desiredHealthy":1}}`)
	if one, two := evict("a"), evict("b"); one != 201 || two != 429 {
		t.Errorf("evictions get %d and %d, the budget allows one", one, two)
	}
	_, p := ask(s, "GET "+pods+"/a", "")
	if p["metadata"].(map[string]any)["deletionTimestamp"] == nil {
		t.Error("the evicted pod is not on its way")
	}
}

// A list that is cut goes on with what was true when it was begun, until the
// history is compacted.
func TestListInParts(t *testing.T) {
	s := newServer(t)
	for i := range 3 {
		ask(s, "POST "+nodes, fmt.Sprintf(`{"metadata":{"name":"n%d"}}`, i))
	}
	names := func(l map[string]any) (out []string, token string) {
		for _, i := range l["items"].([]any) {
			out = append(out, i.(map[string]any)["metadata"].(map[string]any)["name"].(string))
		}
		token, _ = l["metadata"].(map[string]any)["continue"].(string)
		return out, token
	}
	_, l := ask(s, "GET "+nodes+"?limit=1", "")
	got, token := names(l)
	ask(s, "DELETE "+nodes+"/n1", "{}")
	_, l = ask(s, "GET "+nodes+"?limit=5&continue="+token, "")
	rest, end := names(l)
	if d := cmp.Diff([]string{"n0", "n1", "n2"}, append(got, rest...)); d != "" || end != "" {
		t.Errorf("the parts are not the list as it was: %s, and then %q", d, end)
	}
	s.Compact()
	if status, _ := ask(s, "GET "+nodes+"?continue="+token, ""); status != 410 {
		t.Errorf("after compaction the rest is still there: %d", status)
	}
}

// A watch tells what came after its version, in order, and says when that is
// forgotten.
func TestWatch(t *testing.T) {
	s := newServer(t)
	ask(s, "POST "+nodes, `{"metadata":{"name":"a"}}`)
	open := func(query string) *Stream {
		q, _ := url.ParseQuery("watch=true&" + query)
		return s.Serve(&Request{Method: "GET", Path: nodes, Query: q}).Watch
	}
	w := open("resourceVersion=2")
	whole := open("sendInitialEvents=true")
	ask(s, "PATCH "+nodes+"/a", `merge: {"spec":{"unschedulable":true}}`)
	ask(s, "POST "+pods, `{"metadata":{"name":"p"}}`)
	ask(s, "DELETE "+nodes+"/a", "{}")
	var told []string
	for _, w := range []*Stream{w, whole} {
		for w.Behind() {
			lines, _ := w.Next()
			for line := range strings.Lines(string(lines)) {
				var e struct{ Type string }
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatal(err)
				}
				told = append(told, e.Type)
			}
		}
	}
	if d := cmp.Diff([]string{"MODIFIED", "DELETED", "ADDED", "BOOKMARK", "MODIFIED", "DELETED"}, told); d != "" {
		t.Error(d)
	}
	s.Compact()
	line, ended := open("resourceVersion=2").Next()
	if !ended || !strings.Contains(string(line), `"code":410`) {
		t.Errorf("a watch of what is forgotten says %s", line)
	}
}

// What is read as protobuf is what is read as JSON.
func TestBothForms(t *testing.T) {
	s := newServer(t)
	ask(s, "POST "+nodes, `{"metadata":{"name":"a","labels":{"x":"1"}},"spec":{"providerID":"p"},"status":{"capacity":{"cpu":"2"},"conditions":[{"type":"Ready","status":"True"}]}}`)
	codec := serializer.NewCodecFactory(s.scheme).UniversalDeserializer()
	proto := protobuf.NewSerializer(s.scheme, s.scheme)
	for _, path := range []string{nodes + "/a", nodes} {
		text := s.Serve(&Request{Method: "GET", Path: path, Accept: formJSON})
		wire := s.Serve(&Request{Method: "GET", Path: path, Accept: formBinary + "," + formJSON})
		if text.ContentType != formJSON || wire.ContentType != formBinary {
			t.Errorf("%s is written as %s and %s", path, text.ContentType, wire.ContentType)
		}
		a, _, err := codec.Decode(text.Body, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := proto.Decode(wire.Body, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		left, right := encode(a), encode(b)
		if d := cmp.Diff(content(left), content(right)); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
}

// content is the JSON without what says its kind, which protobuf has in its envelope.
func content(text []byte) any {
	var v map[string]any
	_ = json.Unmarshal(text, &v)
	delete(v, "kind")
	delete(v, "apiVersion")
	if items, ok := v["items"].([]any); ok {
		for _, i := range items {
			delete(i.(map[string]any), "kind")
			delete(i.(map[string]any), "apiVersion")
		}
	}
	return v
}
