package oke

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// recordBody is what a handler answers.
func recordBody(h http.Handler, r *http.Request) []byte {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Body.Bytes()
}

// without drops the objects of a JSON list whose id is hidden.
func without(t *testing.T, body []byte, hidden map[string]bool) []byte {
	var list []map[string]any
	if err := json.Unmarshal(body, &list); err != nil {
		t.Errorf("%v in %s", err, body)
		return body
	}
	list = slices.DeleteFunc(list, func(o map[string]any) bool { return hidden[fmt.Sprint(o["id"])] })
	out, _ := json.Marshal(list)
	return out
}

// told answers for work requests in the emulator's stead, and for the pool with
// another node list.
type told struct {
	nodes          func(list []any) []any // of a GetNodePool; nil leaves them
	status         string
	code, text     string // of its error; "" has none
	log            []string
	lists, details int
	parts          bool // the list comes one by one
}

func (w *world) tell(s *told) {
	inner := w.server.Config.Handler
	answer := func(rw http.ResponseWriter, v any) {
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(v)
	}
	w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case strings.HasSuffix(path, "/workRequests"):
			s.lists++
			list := []map[string]any{
				{"id": "ocid1.clustersworkrequest.oc1.iad.now", "operationType": "NODEPOOL_UPDATE", "status": "IN_PROGRESS", "compartmentId": "c"},
				{"id": "ocid1.clustersworkrequest.oc1.iad.last", "operationType": "NODEPOOL_RECONCILE", "status": s.status, "compartmentId": "c"},
				{"id": "ocid1.clustersworkrequest.oc1.iad.before", "operationType": "NODEPOOL_UPDATE", "status": "FAILED", "compartmentId": "c"},
			}
			if at := len(r.URL.Query().Get("page")); s.parts { // so many were told before
				rw.Header().Set("opc-next-page", strings.Repeat("x", at+1))
				list = list[at : at+1]
			}
			answer(rw, list)
		case strings.HasSuffix(path, "iad.last/errors"):
			s.details++
			list := []map[string]any{}
			if s.code != "" {
				list = append(list, map[string]any{"code": "InternalError", "message": "it did not work"}, map[string]any{"code": s.code, "message": s.text})
			}
			answer(rw, list)
		case strings.HasSuffix(path, "iad.last/logs"):
			s.details++
			list := []map[string]any{}
			for _, line := range s.log {
				list = append(list, map[string]any{"message": line})
			}
			answer(rw, list)
		case r.Method == http.MethodGet && strings.Contains(path, "/nodePools/") && s.nodes != nil:
			rec := httptest.NewRecorder()
			inner.ServeHTTP(rec, r)
			var pool map[string]any
			_ = json.Unmarshal(rec.Body.Bytes(), &pool)
			list, _ := pool["nodes"].([]any)
			pool["nodes"] = s.nodes(list)
			rw.Header().Set("etag", rec.Header().Get("etag"))
			answer(rw, pool)
		default:
			inner.ServeHTTP(rw, r)
		}
	})
}

// What was asked for and is not listed in any form becomes entries that say why,
// always under the same names, and can be taken back without a live node going.
func TestMissingEntriesSayWhy(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 5})
	w.running(id)
	s := &told{status: "FAILED", code: "LimitExceeded", text: "standard-e4-core-count", nodes: func(list []any) []any { return list[:3] }}
	w.tell(s)
	var first []cloudprovider.Instance
	for range 3 {
		list, err := w.Instances(t.Context(), id)
		if err != nil || len(list) != 5 {
			t.Fatalf("%d instances, %v", len(list), err)
		}
		failed := slices.DeleteFunc(list, func(in cloudprovider.Instance) bool { return in.State == cloudprovider.Running })
		for _, in := range failed {
			if in.State != cloudprovider.Failed || !in.ID.Placeholder() || in.Fault.Class != cloudprovider.FaultLimit || !strings.Contains(in.Fault.Message, "iad.last") {
				t.Errorf("instance %+v, fault %+v", in, in.Fault)
			}
		}
		if len(failed) != 2 || failed[0].ID == failed[1].ID || first != nil && (failed[0].ID != first[0].ID || failed[1].ID != first[1].ID) {
			t.Fatalf("placeholders %v, were %v", failed, first)
		}
		first = failed
	}
	if s.lists != 1 || s.details != 1 {
		t.Errorf("the work requests were listed %d times and read %d times", s.lists, s.details)
	}
	// The emulator has all five alive: what it does with a smaller size is what
	// the driver must not let happen to one of the three it sees.
	if err := w.Resize(t.Context(), id, 5, 2); !errors.Is(err, cloudprovider.ErrConflict) {
		t.Errorf("below the live ones: %v", err)
	}
	if err := w.Delete(t.Context(), id, first[0].ID, first[1].ID, "tidemill-placeholder/other/1"); err != nil || w.size(id) != 3 {
		t.Errorf("taking back: %v, size %d", err, w.size(id))
	}
	if got := w.lastWrite().body; got != `{"nodeConfigDetails":{"size":3}}` {
		t.Errorf("wrote %s", got)
	}
}

// A part of the list is not the list: the work request that failed may be in the next.
func TestFailureIsFoundInTheNextPart(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 3})
	w.running(id)
	s := &told{parts: true, status: "FAILED", code: "LimitExceeded", text: "standard-e4-core-count", nodes: func(list []any) []any { return list[:2] }}
	w.tell(s)
	list, err := w.Instances(t.Context(), id)
	if err != nil || len(list) != 3 || s.lists != 2 {
		t.Fatalf("%d instances, %d parts read, %v", len(list), s.lists, err)
	}
	if i := slices.IndexFunc(list, func(in cloudprovider.Instance) bool { return in.State == cloudprovider.Failed }); i < 0 || list[i].Fault.Class != cloudprovider.FaultLimit {
		t.Errorf("instances %+v", list)
	}
}

// A list whose end is never told is no list.
func TestListThatDoesNotEnd(t *testing.T) {
	calls := 0
	again := "again"
	list, err := allPages(5, "things", func(*string) ([]int, *string, error) { calls++; return []int{calls}, &again, nil })
	if err == nil || list != nil || calls != 2 {
		t.Errorf("%v after %d calls, %v", list, calls, err)
	}
}

// The kinds of failures, in errors and in logs.
func TestWorkRequestsAreClassified(t *testing.T) {
	for _, c := range []struct {
		name, status, code, text string
		log                      []string
		want                     cloudprovider.FaultClass
		state                    cloudprovider.State
	}{
		{"capacity", "FAILED", "InternalError", "Out of host capacity.", nil, cloudprovider.FaultCapacity, cloudprovider.Failed},
		{"quota", "FAILED", "QuotaExceeded", "no", nil, cloudprovider.FaultQuota, cloudprovider.Failed},
		{"registration", "FAILED", "RegisterTimeOut", "1 nodes(s) register timeout", nil, cloudprovider.FaultRegistration, cloudprovider.Failed},
		{"image", "FAILED", "NotFound", "image ocid1.image... is gone", nil, cloudprovider.FaultImage, cloudprovider.Failed},
		{"only the log tells", "FAILED", "X", "1 node(s) launch failure", []string{"started", "subnet ocid1.subnet... has no free IP address", "finished"}, cloudprovider.FaultNetwork, cloudprovider.Failed},
		{"nothing tells", "FAILED", "", "", nil, cloudprovider.FaultUnknown, cloudprovider.Failed},
		{"mended since", "SUCCEEDED", "", "", nil, cloudprovider.FaultUnknown, cloudprovider.Creating},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, okesim.Options{})
			id := w.addPool(okesim.Pool{Size: 1})
			w.tell(&told{status: c.status, code: c.code, text: c.text, log: c.log, nodes: func([]any) []any {
				return []any{map[string]any{"name": "oke-c-n-s-0", "lifecycleState": "CREATING", "availabilityDomain": "Uocm:US-ASHBURN-AD-1"}}
			}})
			list, err := w.Instances(t.Context(), id)
			if err != nil || len(list) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			class := cloudprovider.FaultUnknown
			if list[0].Fault != nil {
				class = list[0].Fault.Class
			}
			if class != c.want || list[0].State != c.state || (list[0].Fault != nil) != (c.state == cloudprovider.Failed) {
				t.Errorf("%v, fault %+v; want %v of class %v", list[0].State, list[0].Fault, c.state, c.want)
			}
		})
	}
}

// A pool at work and a pool that says everything itself are not asked about.
func TestNothingToExplain(t *testing.T) {
	pool := func(state containerengine.NodePoolLifecycleStateEnum, size int, nodes ...containerengine.Node) containerengine.NodePool {
		return containerengine.NodePool{Id: common.String("p"), LifecycleState: state, Nodes: nodes,
			NodeConfigDetails: &containerengine.NodePoolNodeConfigDetails{Size: common.Int(size)}}
	}
	for name, c := range map[string]struct {
		pool containerengine.NodePool
		want bool
	}{
		"at rest":               {pool("ACTIVE", 1, node("i", "n", "ACTIVE", "")), false},
		"at work":               {pool("UPDATING", 2, node("", "n", "CREATING", "")), false},
		"says it itself":        {pool("NEEDS_ATTENTION", 1, node("", "n", "CREATING", "Out of host capacity.")), false},
		"says nothing of use":   {pool("NEEDS_ATTENTION", 1, node("", "n", "CREATING", "1 node(s) launch failure")), true},
		"says nothing":          {pool("NEEDS_ATTENTION", 1, node("", "n", "CREATING", "")), true},
		"lacks an entry":        {pool("ACTIVE", 1), true},
		"never came up":         {pool("NEEDS_ATTENTION", 1, node("i", "n", "CREATING", "")), true},
		"is failing":            {pool("ACTIVE", 1, node("i", "n", "FAILING", "")), true},
		"one is on its way out": {pool("ACTIVE", 1, node("i", "n", "ACTIVE", ""), node("j", "m", "DELETING", "")), false},
	} {
		if got := unexplained(c.pool); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestShorten(t *testing.T) {
	long := shorten(strings.Repeat("ü", 2000))
	if len(long) > faultText || !strings.HasSuffix(long, "ü...") {
		t.Errorf("%d bytes, ends %q", len(long), long[len(long)-8:])
	}
	if shorten("x") != "x" {
		t.Error("a short text is changed")
	}
}
