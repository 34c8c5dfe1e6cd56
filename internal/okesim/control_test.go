package okesim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// tell gives an order by HTTP and returns the answer.
func (c *cloud) tell(method, path, body string) (status int, text string) {
	w := httptest.NewRecorder()
	c.Control().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestControlDoesWhatGoDoes(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 2)
	node := c.rest(id).Nodes[0].ID
	ad := c.AvailabilityDomains()[0]
	for _, row := range []struct{ method, path, body string }{
		{"POST", "/faults", `{"op":"GetNodePool","times":-1,"status":429,"retryAfter":"2s"}`},
		{"DELETE", "/faults?op=GetNodePool", ``},
		{"PUT", "/capacity", `{"shape":"` + e4 + `","ad":"` + ad + `","fd":"FAULT-DOMAIN-1","hosts":0}`},
		{"PUT", "/limits", `{"shape":"` + e4 + `","instances":9}`},
		{"PUT", "/limits", `{"limit":"standard-e4-core-count","ad":"` + ad + `","units":99}`},
		{"PUT", "/quotas", `{"shape":"` + e4 + `","instances":9}`},
		{"POST", "/launches", `{"pool":"` + id + `","times":1,"fault":"subnetfull"}`},
		{"POST", "/launches", `{"pool":"` + id + `","times":0}`},
		{"POST", "/terminations", `{"times":1}`},
		{"POST", "/terminations", `{"times":0}`},
		{"POST", "/refusals", `{"op":"GetNodePool","status":403}`},
		{"POST", "/refusals", `{"op":"GetNodePool"}`},
		{"PUT", "/policy", `{"statements":["Allow any-user to manage all-resources in tenancy"]}`},
		{"PUT", "/policy", `{"statements":null}`},
		{"PUT", "/instances/" + node + "/maintenance", `{"due":"2027-01-02T03:04:05Z"}`},
		{"PUT", "/instances/" + node + "/console", `{"text":"panic"}`},
		{"POST", "/instances/" + node + "/kill", ``},
		{"POST", "/images/" + c.Images()[0].ID + "/retire", ``},
		{"PUT", "/clusters/" + c.cluster + "/version", `{"version":"v1.35.0"}`},
	} {
		if status, text := c.tell(row.method, row.path, row.body); status != http.StatusNoContent {
			t.Errorf("%s %s %s: %d %s", row.method, row.path, row.body, status, text)
		}
	}
	if left := c.hostsNow(ad, "FAULT-DOMAIN-1"); left != 0 {
		t.Errorf("%d hosts left", left)
	}
	if i, _ := c.Instance(node); i.State != stateTerminated {
		t.Errorf("the killed instance is %s", i.State)
	}
	if status, text := c.tell("POST", "/pools/"+id+"/reconcile", ""); status != 200 || !strings.Contains(text, "ocid1.clustersworkrequest") {
		t.Errorf("reconcile: %d %s", status, text)
	}
	if p := c.rest(id); len(live(p)) != 2 {
		t.Errorf("after reconcile: %v", live(p))
	}
	var state struct{ Pools []PoolView }
	if _, text := c.tell("GET", "/state", ""); json.Unmarshal([]byte(text), &state) != nil || len(state.Pools) != 1 || len(state.Pools[0].Nodes) != 2 {
		t.Errorf("state %s", text)
	}
	var all []Operation
	if _, text := c.tell("GET", "/operations", ""); json.Unmarshal([]byte(text), &all) != nil || len(all) != len(routes) {
		t.Errorf("operations %s", text)
	}
	c.get(id)
	if _, text := c.tell("GET", "/calls", ""); !strings.Contains(text, `"GetNodePool":1`) {
		t.Errorf("calls %s", text)
	}
}

func (c *cloud) hostsNow(ad, fd string) int {
	c.Sim.mu.Lock()
	defer c.Sim.mu.Unlock()
	return c.hostsLeft(e4, ad, fd)
}

func TestControlRefusesNonsense(t *testing.T) {
	c := newCloud(t, Options{})
	for _, row := range []struct{ method, path, body string }{
		{"POST", "/faults", ``},
		{"POST", "/faults", `{"op":"NoSuchThing","status":500}`},
		{"POST", "/faults", `{"op":"*"}`},
		{"POST", "/faults", `{"op":"*","status":200}`},
		{"POST", "/faults", `{"op":"*","delay":"soon"}`},
		{"POST", "/faults", `{"op":"*","status":500,"chance":2}`},
		{"POST", "/faults", `{"op":"*","stauts":500}`},
		{"PUT", "/capacity", `{"shape":"VM.None","ad":"` + c.AvailabilityDomains()[0] + `","hosts":0}`},
		{"PUT", "/capacity", `{"shape":"` + e4 + `","ad":"AD-9","hosts":0}`},
		{"PUT", "/capacity", `{"shape":"` + e4 + `"}`},
		{"PUT", "/limits", `{"limit":"none","ad":"x","units":1}`},
		{"PUT", "/limits", `{}`},
		{"PUT", "/quotas", `{"shape":"` + e4 + `"}`},
		{"POST", "/launches", `{"times":1,"fault":"Gremlins"}`},
		{"POST", "/launches", `{"pool":"ocid1.nodepool.none","times":1,"fault":"SubnetFull"}`},
		{"POST", "/terminations", `{"pool":"ocid1.nodepool.none","times":1}`},
		{"POST", "/refusals", `{"op":"GetNodePool","status":500}`},
		{"PUT", "/policy", `{"statements":["let me in"]}`},
		{"POST", "/instances/none/kill", ``},
		{"POST", "/instances/none/preempt", ``},
		{"POST", "/pools/none/reconcile", ``},
	} {
		status, text := c.tell(row.method, row.path, row.body)
		var refusal struct{ Code, Message string }
		if json.Unmarshal([]byte(text), &refusal) != nil || refusal.Code == "" || refusal.Message == "" || (status != 400 && status != 404) {
			t.Errorf("%s %s %s: %d %s", row.method, row.path, row.body, status, text)
		}
	}
}

// A stale read is what the same question was answered before a write; the next one sees it.
func TestStaleReads(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)
	before := c.get(id)
	c.finished(c.mustResize(id, 2))
	c.FailNext("GetNodePool", 1, HTTPFault{Stale: true})
	stale := c.get(id)
	if *stale.Etag != *before.Etag || *stale.NodeConfigDetails.Size != 1 {
		t.Errorf("a stale read shows size %d", *stale.NodeConfigDetails.Size)
	}
	_, err := c.resize(id, 3, stale.Etag)
	wantRefusal(t, err, 412, "NoEtagMatch")
	if *c.get(id).NodeConfigDetails.Size != 2 {
		t.Error("the next read is stale too")
	}
}

func TestFaultsByChanceAndForGood(t *testing.T) {
	c := newCloud(t, Options{Seed: 7})
	id := c.pool("workers", 1)
	c.FailNext("UpdateNodePool", -1, HTTPFault{Status: 500, Chance: 0.5})
	failed := 0
	for range 40 {
		if _, err := c.resize(id, 1, nil); err != nil {
			failed++
		}
	}
	if failed < 8 || failed > 32 {
		t.Errorf("%d of 40 met a fault of one in two", failed)
	}
	c.ClearFaults("UpdateNodePool")
	c.FailNext("UpdateNodePool", -1, HTTPFault{Status: 503})
	for range 3 {
		_, err := c.resize(id, 1, nil)
		wantRefusal(t, err, 503, "ServiceUnavailable")
	}
	c.ClearFaults("")
	if _, err := c.resize(id, 1, nil); err != nil {
		t.Error(err)
	}
	c.FailNext("GetNodePool", 1, HTTPFault{Delay: 30 * time.Millisecond})
	begin := time.Now()
	c.get(id)
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Errorf("a delayed answer after %v", took)
	}
}
