package playground

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/sim/model"
)

// explained is what kube-apiserver says beyond the model, by path of the field:
// everything the model answers must be answered by both.
var explained = []struct{ path, why string }{
	{`^spec\.(dnsPolicy|enableServiceLinks|preemptionPolicy|priority|restartPolicy|schedulerName|securityContext|serviceAccount|serviceAccountName|tolerations|volumes)\b`, "defaults and admission of pods: the simulation's pods say what matters themselves"},
	{`^spec\.containers\[\]\.(imagePullPolicy|resources|terminationMessagePath|terminationMessagePolicy|volumeMounts)\b`, "defaults of containers"},
	{`^status\.qosClass$`, "pods: computed of requests, which nobody here reads"},
	{`^status\.phase$`, "pods are born Pending: the simulation's say it themselves"},
	{`^status\.observedGeneration$`, "pods: since 1.33 the server notes it with each status"},
	{`^status\.conditions\[\]\.observedGeneration$`, "the same, of their conditions"},
	{`^spec\.podCIDRs?$`, "nodes: no controller here gives networks"},
	{`^metadata\.managedFields$`, "the model keeps the book of Nodes and Pools only: nobody applies anything else"},
	{`^metadata\.managedFields\.(one|two) Update status$`, "Pools: the model keeps Go values; what a patch of the status leaves out is written as zero and then owned, too. The daemon applies"},
	{`^metadata\.selfLink$`, "long gone"},
}

// side is one of the two servers, and what it has called its versions.
type side struct {
	door
	versions map[string][]string // by path: each that was seen
	uids     map[string][]string
}

func newSide(d door) *side {
	return &side{d, map[string][]string{}, map[string][]string{}}
}

var placeholder = regexp.MustCompile(`\$\{(rv|old|uid)\}`)

// fill puts the side's own versions into a request about the object at path.
func (s *side) fill(r model.Request, path string) model.Request {
	last := func(list []string, back int, none string) string {
		if len(list) < back {
			return none
		}
		return list[len(list)-back]
	}
	r.Body = placeholder.ReplaceAllFunc(r.Body, func(m []byte) []byte {
		switch string(m) {
		case "${rv}":
			return []byte(last(s.versions[path], 1, "1"))
		case "${old}":
			return []byte(last(s.versions[path], 2, "1"))
		}
		return []byte(last(s.uids[path], 1, "00000000-0000-4000-8000-0000000000fe"))
	})
	return r
}

// which is the place of a value among those seen, counted from 1.
func which(seen map[string][]string, path, value string) string {
	i := slices.Index(seen[path], value)
	if i < 0 {
		seen[path] = append(seen[path], value)
		i = len(seen[path]) - 1
	}
	return fmt.Sprintf("the %d. of %s", i+1, path)
}

// read makes an answer comparable: versions and UIDs become ordinals, times are
// there or not, a refusal is its code, reason and causes.
func (s *side) read(body []byte, path string) any {
	var v map[string]any
	if json.Unmarshal(body, &v) != nil {
		return "text"
	}
	switch kind, _ := v["kind"].(string); {
	case kind == "Status":
		out := map[string]any{"code": v["code"], "reason": v["reason"], "status": v["status"]}
		if d, ok := v["details"].(map[string]any); ok {
			out["retryAfterSeconds"] = d["retryAfterSeconds"]
			if causes, ok := d["causes"].([]any); ok && v["reason"] == "TooManyRequests" {
				for _, c := range causes {
					out["cause"] = c.(map[string]any)["reason"]
				}
			}
		}
		return out
	case strings.HasSuffix(kind, "List"):
		meta, _ := v["metadata"].(map[string]any)
		out := map[string]any{"kind": kind, "more": meta["continue"] != nil && meta["continue"] != "", "left": meta["remainingItemCount"]}
		items, _ := v["items"].([]any)
		list := []any{}
		for _, i := range items {
			list = append(list, s.object(i.(map[string]any), path))
		}
		out["items"] = list
		return out
	}
	return s.object(v, path)
}

// object is one, at its own path.
func (s *side) object(v map[string]any, path string) any {
	meta, _ := v["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	own := name
	if rv, ok := meta["resourceVersion"].(string); ok {
		meta["resourceVersion"] = which(s.versions, own, rv)
	}
	if uid, ok := meta["uid"].(string); ok {
		meta["uid"] = which(s.uids, own, uid)
	}
	for _, k := range []string{"creationTimestamp", "deletionTimestamp"} {
		if meta[k] != nil {
			meta[k] = "a time"
		}
	}
	delete(v, "kind") // items of lists have none
	delete(v, "apiVersion")
	if book, ok := meta["managedFields"].([]any); ok {
		meta["managedFields"] = readBook(book)
	}
	if st, ok := v["status"].(map[string]any); ok {
		if pods, ok := st["disruptedPods"].(map[string]any); ok {
			for name := range pods {
				pods[name] = "a time"
			}
		}
	}
	return v
}

// readBook is who owns what.
func readBook(book []any) any {
	out := map[string]any{}
	for _, e := range book {
		e := e.(map[string]any)
		fields, _ := json.Marshal(e["fieldsV1"])
		out[fmt.Sprint(e["manager"], " ", e["operation"], " ", e["subresource"])] = string(fields)
	}
	return out
}

// soonAfter is whether two times are of one moment: the two servers are asked one after
// the other, and each dates a disruption by its own clock, in whole seconds. Ten seconds
// is for a busy machine; what a trace writes itself is months away.
func soonAfter(a, b any) bool {
	x, err := time.Parse(time.RFC3339, fmt.Sprint(a))
	y, err2 := time.Parse(time.RFC3339, fmt.Sprint(b))
	return err == nil && err2 == nil && x.Sub(y).Abs() < 10*time.Second
}

// differ lists where the model's answer is not the real one's.
func differ(copied, truth any, at string) []string {
	c, isMap := copied.(map[string]any)
	r, both := truth.(map[string]any)
	if isMap && both {
		var out []string
		for _, k := range slices.Sorted(maps.Keys(c)) {
			if _, there := r[k]; !there && !zero(c[k]) {
				out = append(out, fmt.Sprintf("%s: the model says %v, kube-apiserver nothing", join(at, k), c[k]))
			} else if there {
				out = append(out, differ(c[k], r[k], join(at, k))...)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(r)) {
			if _, there := c[k]; !there && !empty(r[k]) && !isExplained(join(at, k)) {
				out = append(out, fmt.Sprintf("%s: kube-apiserver says %v, the model nothing", join(at, k), r[k]))
			}
		}
		return out
	}
	cl, isList := copied.([]any)
	rl, both := truth.([]any)
	if isList && both && len(cl) == len(rl) {
		var out []string
		for i := range cl {
			out = append(out, differ(cl[i], rl[i], at+"[]")...)
		}
		return out
	}
	if at == "more" && copied == false {
		return nil // the real one cuts a list before it looks at labels: the rest may be empty
	}
	if strings.HasSuffix(at, ".lastTransitionTime") && soonAfter(copied, truth) {
		return nil
	}
	if !reflect.DeepEqual(copied, truth) && !isExplained(at) {
		return []string{fmt.Sprintf("%s: the model says %v, kube-apiserver %v", at, copied, truth)}
	}
	return nil
}

// zero is empty, or what a Go type writes where nothing was said.
func zero(v any) bool {
	if m, ok := v.(map[string]any); ok {
		for _, x := range m {
			if !zero(x) {
				return false
			}
		}
		return true
	}
	return empty(v) || v == 0.0 || v == false || v == ""
}

func empty(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(x) == 0
	case []any:
		return len(x) == 0
	}
	return false
}

func join(at, k string) string {
	if at == "" {
		return k
	}
	return at + "." + k
}

func isExplained(at string) bool {
	at = strings.TrimPrefix(strings.TrimPrefix(at, "items[]."), "object.")
	return slices.ContainsFunc(explained, func(e struct{ path, why string }) bool { return regexp.MustCompile(e.path).MatchString(at) })
}

// play is a trace on both sides.
type play struct {
	*trace
	copy, truth *side
	n           int
	requests    int
	differences []string
}

func (p *play) run(t *testing.T) {
	t.Helper()
	things := p.things()
	for _, x := range things[:2+p.dice.IntN(len(things)-2)] { // something to begin with
		p.both(model.Request{User: "fidelity", Method: "POST", Path: x.collection, Query: url.Values{"fieldManager": {"one"}}, ContentType: "application/json", Body: []byte(p.body(x, ""))}, x)
	}
	check := p.watch(things[p.dice.IntN(len(things))])
	for range 14 + p.dice.IntN(10) {
		x := things[p.dice.IntN(len(things))]
		p.both(p.next(x), x)
	}
	check()
	for _, x := range things { // nothing may stay: the real server is everybody's
		p.truth.do(model.Request{Method: "PATCH", Path: x.path(), ContentType: "application/merge-patch+json", Body: []byte(`{"metadata":{"finalizers":null}}`)})
		p.truth.do(model.Request{Method: "DELETE", Path: x.path(), ContentType: "application/json", Body: []byte(`{"gracePeriodSeconds":0}`)})
	}
}

func (p *play) both(r model.Request, x thing) {
	p.requests++
	says := fmt.Sprintf("%s %s?%s %s %s", r.Method, r.Path, r.Query.Encode(), r.ContentType, r.Body)
	cs, cb := p.copy.do(p.copy.fill(r, x.name))
	ts, tb := p.truth.do(p.truth.fill(r, x.name))
	if cs != ts {
		p.differences = append(p.differences, fmt.Sprintf("%s: status %d and not %d: %.300s instead of %.300s", says, cs, ts, cb, tb))
	}
	for _, d := range differ(p.copy.read(cb, x.name), p.truth.read(tb, x.name), "") {
		if cs == ts {
			p.differences = append(p.differences, says+": "+d)
		}
	}
	if r.Query.Get("limit") != "" {
		p.more(r, cb, tb, x)
	}
}

// more asks for the rest of a list that was cut.
func (p *play) more(r model.Request, cb, tb []byte, x thing) {
	next := func(body []byte) string {
		var l struct{ Metadata struct{ Continue string } }
		_ = json.Unmarshal(body, &l) // a refusal has none
		return l.Metadata.Continue
	}
	c, t := r, r
	c.Query, t.Query = maps.Clone(r.Query), maps.Clone(r.Query)
	c.Query.Del("resourceVersion")
	t.Query.Del("resourceVersion")
	for range 5 {
		from, to := next(cb), next(tb)
		if from == "" || to == "" {
			return // that one of them alone has more was seen
		}
		c.Query.Set("continue", from)
		t.Query.Set("continue", to)
		_, cb = p.copy.do(c)
		_, tb = p.truth.do(t)
		for _, d := range differ(p.copy.read(cb, x.name), p.truth.read(tb, x.name), "") {
			p.differences = append(p.differences, "the rest of "+r.Path+": "+d)
		}
	}
}

// watch begins to look and returns what compares all that was seen since.
func (p *play) watch(x thing) func() {
	r := model.Request{User: "fidelity", Method: "GET", Path: x.collection, ContentType: "application/json",
		Query: url.Values{"watch": {"true"}, "labelSelector": {fmt.Sprintf("trace=f%d", p.n)}, "allowWatchBookmarks": {"true"}}}
	how := p.dice.IntN(3)
	switch how {
	case 0:
		r.Query.Set("sendInitialEvents", "true")
		r.Query.Set("resourceVersionMatch", "NotOlderThan")
	case 1:
		r.Query.Set("resourceVersion", "1") // long forgotten
		if m, ok := p.copy.door.(modelDoor); ok {
			m.Compact()
		}
	}
	cs, cb, mine := p.copy.door.watch(r)
	ts, tb, theirs := p.truth.door.watch(r)
	if cs != ts || mine == nil || theirs == nil {
		return func() {
			p.differences = append(p.differences, fmt.Sprintf("watch %s: status %d and not %d: %s instead of %s", r.Query.Encode(), cs, ts, cb, tb))
		}
	}
	return func() {
		want := mine(0)
		got := theirs(len(want))
		if len(got) != len(want) {
			p.differences = append(p.differences, fmt.Sprintf("watch %s: %d events and not %d", r.Query.Encode(), len(want), len(got)))
			return
		}
		for i := range want {
			p.differences = append(p.differences, p.compareEvents(r, want[i], got[i])...)
		}
	}
}

func (p *play) compareEvents(r model.Request, mine, theirs []byte) []string {
	var a, b struct {
		Type   string
		Object json.RawMessage
	}
	if json.Unmarshal(mine, &a) != nil || json.Unmarshal(theirs, &b) != nil {
		return []string{fmt.Sprintf("watch: %q and %q are no events", mine, theirs)}
	}
	if a.Type != b.Type {
		return []string{fmt.Sprintf("watch %s: %s and not %s", r.Query.Encode(), a.Type, b.Type)}
	}
	var out []string
	for _, d := range differ(p.copy.read(a.Object, ""), p.truth.read(b.Object, ""), "") {
		out = append(out, fmt.Sprintf("watch %s: %s: %s", r.Query.Encode(), a.Type, d))
	}
	return out
}
