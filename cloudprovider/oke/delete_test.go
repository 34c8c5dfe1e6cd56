package oke

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// The whole of what DeleteNode is told, and what it costs.
func TestDeleteRequest(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 2})
	ids := w.running(id)
	view, err := w.sim.Pool(string(id))
	if err != nil {
		t.Fatal(err)
	}
	cost := w.requests(func() {
		if err := w.Delete(t.Context(), id, ids[0]); err != nil {
			t.Fatal(err)
		}
	})
	if diff := cmp.Diff(map[string]int{"GetNodePool": 1, "DeleteNode": 1}, cost); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	got := w.lastWrite()
	query, err := url.ParseQuery(got.query)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"isDecrementSize": {"true"}, "overrideEvictionGraceDuration": {"PT0M"}, "isForceDeletionAfterOverrideGraceDuration": {"true"}}
	if diff := cmp.Diff(want, query); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	if got.ifMatch != view.ETag {
		t.Errorf("if-match %q, want %q", got.ifMatch, view.ETag)
	}
	w.settle(id)
	if err := w.Replace(t.Context(), id, ids[1]); err != nil {
		t.Fatal(err)
	}
	if query, _ := url.ParseQuery(w.lastWrite().query); query.Get("isDecrementSize") != "false" {
		t.Errorf("replace sent %v", query)
	}
}

// A busy pool answers 409 too. Taking that for "already being deleted" would
// lose the machine from sight with the node still running.
func TestDeleteOfABusyPoolIsNoSuccess(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	machine := w.running(id)[0]
	w.sim.FailNext("DeleteNode", rounds, okesim.HTTPFault{Status: 409, Code: "IncorrectState"})
	if err := w.Delete(t.Context(), id, machine); !errors.Is(err, cloudprovider.ErrConflict) {
		t.Fatalf("error is %v", err)
	}
	if w.sim.Calls()["DeleteNode"] != 1 || w.size(id) != 1 {
		t.Errorf("%d writes, size %d", w.sim.Calls()["DeleteNode"], w.size(id))
	}
}

// "Not found" and "already being deleted" are success when the next look agrees,
// and stand when it does not.
func TestDeleteOfWhatAnotherDeletes(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 2})
	ids := w.running(id)
	w.writes0().HTTPClient = before{w.writes0().HTTPClient, new(sync.Once), func() {
		if _, err := w.sim.DeleteNode(string(id), string(ids[0]), true, ""); err != nil {
			t.Error(err)
		}
	}}
	ctx, found := cloudprovider.Finding(t.Context())
	if err := w.Delete(ctx, id, ids[0]); err != nil || found.Gone != 1 {
		t.Fatalf("%v, %+v", err, found)
	}
	if w.size(id) != 1 {
		t.Errorf("size is %d: shrunk twice", w.size(id))
	}
	w.settle(id)
	w.sim.FailNext("DeleteNode", rounds, okesim.HTTPFault{Status: 404})
	if err := w.Delete(t.Context(), id, ids[1]); !errors.Is(err, cloudprovider.ErrNotFound) {
		t.Errorf("a 404 for a node that is listed: %v", err)
	}
}

// A 500 whose DeleteNode was never applied is asked for again, once applied not.
func TestDeleteServerError(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 3})
	ids := w.running(id)
	w.sim.FailNext("DeleteNode", 1, okesim.HTTPFault{Status: 500})
	if err := w.Delete(t.Context(), id, ids[0]); err != nil || w.size(id) != 2 {
		t.Fatalf("size %d, %v", w.size(id), err)
	}
}

// A deletion whose answer is lost may be one's own: the machine was not found gone.
func TestDeleteWhoseAnswerIsLostIsNotFoundDone(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 2})
	w.sim.FailNext("DeleteNode", 1, okesim.HTTPFault{Drop: true})
	ctx, found := cloudprovider.Finding(t.Context())
	if err := w.Delete(ctx, id, w.running(id)[0]); err != nil || found.Gone != 0 || w.size(id) != 1 {
		t.Errorf("%v, %+v, size %d", err, found, w.size(id))
	}
}

// Several placeholders go in one write, whichever of them the service takes
// first, and a placeholder among machines goes last.
func TestDeleteMixed(t *testing.T) {
	// The pool stays busy between the writes: its state is part of the etag.
	w := newWorld(t, okesim.Options{Latency: okesim.Latency{Accept: time.Millisecond, Provision: -1, Boot: -1, Terminate: 5 * time.Second}})
	id := w.addPool(okesim.Pool{Size: 2})
	machines := w.running(id)
	w.sim.SetCapacity(testShape, w.sim.AvailabilityDomains()[0], 0)
	w.setSizeBehind(id, 5)
	w.settle(id)
	list, err := w.Instances(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	named := []cloudprovider.InstanceID{}
	for _, in := range list {
		if in.State == cloudprovider.Failed && len(named) < 2 {
			named = append(named, in.ID)
		}
	}
	cost := w.requests(func() {
		if err := w.Delete(t.Context(), id, append(named, machines[0])...); err != nil {
			t.Fatal(err)
		}
	})
	if diff := cmp.Diff(map[string]int{"GetNodePool": 2, "DeleteNode": 1, "UpdateNodePool": 1}, cost); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if w.size(id) != 2 {
		t.Errorf("size is %d, want 2: one machine and one failed entry", w.size(id))
	}
	if got := w.lastWrite(); got.body != `{"nodeConfigDetails":{"size":2}}` {
		t.Errorf("last write %+v", got)
	}
}
