package playground

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"

	"github.com/tidemill/tidemill/internal/sim/model"
)

// trace draws requests. Versions and UIDs are not known when they are drawn, and
// each side has its own: ${rv}, ${old} and ${uid} stand for the present version of
// the object that the request is about, the one before, and its UID.
type trace struct {
	n    int
	dice *rand.Rand
}

func newTrace(n int) *trace { return &trace{n, rand.New(rand.NewPCG(uint64(n), 0x6669646c))} }

// thing is an object that a trace is about.
type thing struct {
	kind, version, collection, name string
	// spec is what it is made with; change is a merge patch of something below it,
	// %d is drawn.
	spec, change string
	status       string // a merge patch of its status; "" if it has none
}

func (x thing) path() string { return x.collection + "/" + x.name }

func (tr *trace) things() []thing {
	id := func(s string) string { return fmt.Sprintf("f%d-%s", tr.n, s) }
	node := thing{"Node", "v1", "/api/v1/nodes", "", `"spec":{"providerID":"ocid1.instance.x"}`, `{"spec":{"unschedulable":true,"taints":[{"key":"k%d","effect":"NoSchedule"}]}}`,
		`{"status":{"conditions":[{"type":"Ready","status":"True","reason":"r%d"}]}}`}
	pod := thing{"Pod", "v1", "/api/v1/namespaces/fid/pods", "", `"spec":{"nodeName":"somewhere","terminationGracePeriodSeconds":7,"containers":[{"name":"c","image":"i"}]}`,
		`{"metadata":{"annotations":{"k":"v%d"}}}`, `{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"message":"m%d"}}`}
	loose := pod
	loose.spec = strings.Replace(pod.spec, `"nodeName":"somewhere",`, "", 1)
	budget := thing{"PodDisruptionBudget", "policy/v1", "/apis/policy/v1/namespaces/fid/poddisruptionbudgets", id("budget"), fmt.Sprintf(`"spec":{"maxUnavailable":1,"selector":{"matchLabels":{"trace":"f%d"}}}`, tr.n),
		`{"spec":{"maxUnavailable":%d}}`, `{"status":{"observedGeneration":%d,"disruptionsAllowed":1,"currentHealthy":2,"desiredHealthy":1,"expectedPods":2}}`}
	lease := thing{"Lease", "coordination.k8s.io/v1", "/apis/coordination.k8s.io/v1/namespaces/fid/leases", id("lease"), `"spec":{"holderIdentity":"a","leaseDurationSeconds":15}`, `{"spec":{"holderIdentity":"h%d"}}`, ""}
	config := thing{"ConfigMap", "v1", "/api/v1/namespaces/fid/configmaps", id("config"), `"data":{"k":"v"}`, `{"data":{"k":"v%d"}}`, ""}
	pool := thing{"Pool", "tidemill.dev/v1alpha1", "/apis/tidemill.dev/v1alpha1/pools", id("pool"), `"spec":{"nodePoolID":"ocid1.nodepool.x"}`, `{"spec":{"scale":{"minSize":1,"maxSize":1%d}}}`,
		`{"status":{"size":1%d}}`}
	named := func(x thing, name string) thing { x.name = id(name); return x }
	return []thing{named(node, "node-a"), named(node, "node-b"), named(pod, "pod-a"), named(pod, "pod-b"), named(loose, "pod-loose"), budget, lease, config, pool}
}

func (tr *trace) body(x thing, more string) string {
	return fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":%q,"labels":{"trace":"f%d"}%s},%s}`, x.version, x.kind, x.name, tr.n, more, x.spec)
}

func (tr *trace) pick(options ...string) string { return options[tr.dice.IntN(len(options))] }

// version is a precondition, most often none or one that holds.
func (tr *trace) version() string {
	return tr.pick("", "", `,"resourceVersion":"${rv}"`, `,"resourceVersion":"${rv}"`, `,"resourceVersion":"${old}"`, `,"uid":"${uid}"`, `,"uid":"00000000-0000-4000-8000-0000000000ff"`)
}

func (tr *trace) drawn(pattern string) string {
	if strings.Contains(pattern, "%d") {
		return fmt.Sprintf(pattern, tr.dice.IntN(3))
	}
	return pattern
}

// next is a request about one of the things, or about all of a kind.
func (tr *trace) next(x thing) model.Request {
	r := model.Request{User: "fidelity", Path: x.path(), Query: url.Values{"fieldManager": {tr.pick("one", "two")}}, ContentType: "application/json"}
	switch n := tr.dice.IntN(100); {
	case n < 12:
		r.Method, r.Path = "POST", x.collection
		r.Body = []byte(tr.body(x, tr.pick("", "", `,"finalizers":["fid.example.com/hold"]`, `,"resourceVersion":"7"`)))
	case n < 20:
		r.Method = "GET"
	case n < 28 && x.kind != "Pod": // whose spec cannot be replaced without all of its defaults
		r.Method, r.Body = "PUT", []byte(tr.body(x, tr.version()+tr.pick("", `,"annotations":{"put":"x"}`)))
	case n < 45:
		tr.patch(&r, x)
	case n < 60:
		tr.apply(&r, x)
	case n < 72:
		tr.status(&r, x)
	case n < 82:
		tr.remove(&r)
	case n < 88 && x.kind == "Pod":
		r.Method, r.Path = "POST", r.Path+"/eviction"
		r.Body = fmt.Appendf(nil, `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":"fid"}%s}`, x.name, tr.pick("", "", `,"deleteOptions":{"preconditions":{"uid":"${uid}"}}`, `,"deleteOptions":{"preconditions":{"resourceVersion":"${old}"}}`, `,"deleteOptions":{"gracePeriodSeconds":2}`))
	case n < 96:
		tr.list(&r, x)
	default:
		tr.nonsense(&r, x)
	}
	return r
}

// patch is every way to change a part.
func (tr *trace) patch(r *model.Request, x thing) {
	r.Method = "PATCH"
	r.ContentType = tr.pick("application/merge-patch+json", "application/merge-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/json-patch+json")
	if r.ContentType == "application/json-patch+json" {
		r.Body = []byte(tr.pick(`[{"op":"add","path":"/metadata/labels/patched","value":"yes"}]`, `[{"op":"test","path":"/metadata/name","value":"nobody"}]`, `[{"op":"remove","path":"/metadata/labels/patched"}]`))
		return
	}
	r.Body = []byte(tr.pick(tr.drawn(x.change), tr.drawn(x.change), `{"metadata":{"labels":{"a":"b"}`+tr.version()+`}}`, `{"metadata":{"labels":{"a":null}`+tr.version()+`}}`, `{"metadata":{"annotations":{"n":"1","m":"2"}}}`,
		`{"metadata":{"finalizers":["fid.example.com/hold"]}}`, `{"metadata":{"finalizers":null}}`, `{}`))
}

// apply is server-side apply of Nodes and Pools, by two managers that want the same.
func (tr *trace) apply(r *model.Request, x thing) {
	if x.kind != "Node" && x.kind != "Pool" {
		r.Method = "GET"
		return
	}
	r.Method, r.ContentType = "PATCH", "application/apply-patch+yaml"
	r.Query.Set("force", tr.pick("true", "false"))
	more := tr.pick(`"spec":{"unschedulable":true}`, `"spec":{"taints":[{"key":"mine","effect":"NoSchedule"}]}`, `"spec":{"taints":[{"key":"k1","effect":"NoSchedule","value":"other"}]}`, `"spec":{}`)
	if x.kind == "Pool" {
		more = tr.pick(`"spec":{"nodePoolID":"ocid1.nodepool.x","cycle":{"mode":"OnDemand","maxSurge":1}}`, `"spec":{"nodePoolID":"ocid1.nodepool.x","scale":{"minSize":1,"maxSize":5}}`, `"spec":{"nodePoolID":"ocid1.nodepool.x"}`)
	}
	if tr.dice.IntN(2) == 0 {
		r.Path += "/status"
		more = tr.pick(`"status":{"conditions":[{"type":"Mine","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z","reason":"R","message":"m"}]}`,
			`"status":{"conditions":[{"type":"Mine","status":"False","lastTransitionTime":"2026-01-01T00:00:00Z","reason":"R","message":"n"},{"type":"Other","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z","reason":"R","message":""}]}`, `"status":{}`)
	}
	meta := tr.pick("", `,"labels":{"applied":"a"}`, `,"labels":{"applied":"b"}`, `,"annotations":{"mark":"x"}`)
	if tr.dice.IntN(4) == 0 {
		meta += tr.version()
	}
	r.Body = fmt.Appendf(nil, `{"apiVersion":%q,"kind":%q,"metadata":{"name":%q%s},%s}`, x.version, x.kind, x.name, meta, more)
}

func (tr *trace) status(r *model.Request, x thing) {
	if x.status == "" {
		r.Method = "GET"
		return
	}
	r.Method, r.ContentType, r.Body = "PATCH", "application/merge-patch+json", []byte(tr.drawn(x.status))
	if tr.dice.IntN(5) > 0 { // else the status comes by the wrong way
		r.Path += "/status"
	}
}

func (tr *trace) remove(r *model.Request) {
	r.Method = "DELETE"
	r.Body = []byte(tr.pick(`{}`, `{}`, `{"preconditions":{"uid":"${uid}"}}`, `{"preconditions":{"uid":"00000000-0000-4000-8000-0000000000ff"}}`, `{"preconditions":{"resourceVersion":"${rv}"}}`,
		`{"preconditions":{"resourceVersion":"${old}"}}`, `{"gracePeriodSeconds":0}`, `{"gracePeriodSeconds":3}`))
}

func (tr *trace) list(r *model.Request, x thing) {
	r.Method, r.Path = "GET", x.collection
	r.Query = url.Values{"labelSelector": {fmt.Sprintf("trace=f%d", tr.n)}}
	switch tr.dice.IntN(4) {
	case 0:
		r.Query.Set("fieldSelector", "metadata.name="+x.name)
	case 1:
		r.Query.Set("limit", "1") // the continuation is asked for by whoever plays
	case 2:
		r.Query.Set("labelSelector", r.Query.Get("labelSelector")+","+tr.pick("a=b", "a!=b", "applied in (a,b)", "!patched"))
	}
}

func (tr *trace) nonsense(r *model.Request, x thing) {
	switch tr.dice.IntN(5) {
	case 0:
		r.Method, r.Body = "POST", []byte(tr.body(x, "")) // of a named thing
	case 1:
		r.Method, r.ContentType, r.Body = "PATCH", "application/merge-patch+json", []byte(`{"metadata":`)
	case 2:
		r.Method, r.Path = "GET", x.collection+"/"+x.name+"/nothing"
	case 3:
		r.Method, r.Path, r.Query = "GET", x.collection, url.Values{"labelSelector": {"a in ("}}
	case 4:
		r.Method, r.Path, r.Body = "POST", "/apis/tidemill.dev/v1alpha1/pools", []byte(tr.pick(
			`{"apiVersion":"tidemill.dev/v1alpha1","kind":"Pool","metadata":{"name":"bad"},"spec":{"nodePoolID":""}}`,
			`{"apiVersion":"tidemill.dev/v1alpha1","kind":"Pool","metadata":{"name":"bad"},"spec":{"nodePoolID":"x","scale":{"minSize":5,"maxSize":2}}}`,
			`{"apiVersion":"tidemill.dev/v1alpha1","kind":"Pool","metadata":{"name":"bad"},"spec":{"nodePoolID":"x","cycle":{"maxSurge":"150%"}}}`,
			`{"apiVersion":"tidemill.dev/v1alpha1","kind":"Pool","metadata":{"name":"bad"},"spec":{"nodePoolID":"x","cycle":{"mode":"Sometimes"}}}`,
			`{"apiVersion":"tidemill.dev/v1alpha1","kind":"Pool","metadata":{"name":"bad"}}`))
	}
}
