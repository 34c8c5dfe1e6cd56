package oke

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// Each form in which the service announces something, and each way in which it
// is over.
func TestMaintenance(t *testing.T) {
	w := newWorld(t, okesim.Options{PageSize: 2})
	id := w.addPool(okesim.Pool{Size: 7})
	ids := w.running(id)
	at := func(h int) time.Time { return time.Date(2027, 1, 2, h, 0, 0, 0, time.UTC) }
	for n, m := range []okesim.Maintenance{
		{Start: at(5), HardDue: at(9), Reason: "HARDWARE_REPLACEMENT", Text: "A disk of the host is replaced."},
		{Start: at(4), Action: "TERMINATE", Reason: "DECOMMISSION", State: "STARTED"},
		{Start: at(3), Action: "NONE", Category: "NOTIFICATION"},
		{Start: at(2), NoEvent: true},
		{Start: at(1), State: "SUCCEEDED"},
		{Start: at(1), State: "CANCELED"},
		{Start: at(6), Action: "TELEPORT", State: "DREAMING"},
	} {
		if err := w.sim.PlanMaintenance(string(ids[n]), m); err != nil {
			t.Fatal(err)
		}
	}
	want := []cloudprovider.Maintenance{
		{Instance: ids[3], Effect: cloudprovider.EffectReboot, Start: at(2)},
		{Instance: ids[2], Effect: cloudprovider.EffectNone, Start: at(3), Reason: "EVACUATION", Action: "NONE"},
		{Instance: ids[1], Effect: cloudprovider.EffectTerminate, Start: at(4), Started: true, Reason: "DECOMMISSION", Action: "TERMINATE"},
		{Instance: ids[0], Effect: cloudprovider.EffectReboot, Start: at(5), Deadline: at(9), Reason: "HARDWARE_REPLACEMENT", Action: "REBOOT_MIGRATION", Description: "A disk of the host is replaced."},
		{Instance: ids[6], Start: at(6), Reason: "EVACUATION", Action: "TELEPORT"},
	}
	w.computeAge = 0 // the list of instances was read before
	var got []cloudprovider.Maintenance
	called := w.requests(func() {
		for range 3 {
			var err error
			if got, err = w.Maintenance(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	})
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(cloudprovider.Maintenance{}, "ID")); diff != "" {
		t.Errorf("maintenance (-want +got):\n%s", diff)
	}
	if n := called["ListInstanceMaintenanceEvents"]; n != 3 { // three pages of two, once
		t.Errorf("%d requests for events, want the list of 3 pages once", n)
	}
	if n := called["GetNodePool"]; n != 0 {
		t.Errorf("%d looks at the pool, which was looked at before", n)
	}
	w.plansAge = 0
	if called = w.requests(func() { _, _ = w.Maintenance(t.Context(), id) }); called["GetNodePool"] != 1 {
		t.Errorf("asked %v, want a look at a pool that was not looked at for long", called)
	}
}

// Whoever may not see the events is told so, with the statement, and is not taken
// for somebody with nothing planned; and the service is not asked with every look.
func TestMaintenanceRefused(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	w.running(id)
	w.sim.Refuse("ListInstanceMaintenanceEvents", http.StatusNotFound)
	called := w.requests(func() {
		for range 3 {
			list, err := w.Maintenance(t.Context(), id)
			if !errors.Is(err, cloudprovider.ErrUnauthorized) || errors.Is(err, cloudprovider.ErrNotFound) || list != nil || !strings.Contains(err.Error(), "read instance-family") {
				t.Fatalf("%v, %v", list, err)
			}
		}
	})
	if called["ListInstanceMaintenanceEvents"] != 1 {
		t.Errorf("asked %v", called)
	}
}

// histories are the captures that are left of an instance.
func (w *world) histories(in cloudprovider.InstanceID) int {
	w.t.Helper()
	node, compartment := string(in), w.sim.Compartment()
	r, err := w.compute.ListConsoleHistories(w.t.Context(), core.ListConsoleHistoriesRequest{CompartmentId: &compartment, InstanceId: &node})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(r.Items)
}

// Whatever breaks on the way, a capture is made at most once and does not stay.
func TestConsoleLeavesNothing(t *testing.T) {
	for name, order := range map[string]func(*okesim.Sim){
		"all is well":               func(*okesim.Sim) {},
		"answer of the capture":     func(s *okesim.Sim) { s.FailNext("CaptureConsoleHistory", 2, okesim.HTTPFault{Drop: true}) },
		"throttled":                 func(s *okesim.Sim) { s.FailNext("GetConsoleHistory", 2, okesim.HTTPFault{Status: 429}) },
		"text is not given":         func(s *okesim.Sim) { s.Refuse("GetConsoleHistoryContent", http.StatusForbidden) },
		"answer of the removal":     func(s *okesim.Sim) { s.FailNext("DeleteConsoleHistory", 1, okesim.HTTPFault{Drop: true}) },
		"removal fails, then works": func(s *okesim.Sim) { s.FailNext("DeleteConsoleHistory", 2, okesim.HTTPFault{Status: 500}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, okesim.Options{})
			id := w.addPool(okesim.Pool{Size: 1})
			in := w.running(id)[0]
			order(w.sim)
			text, err := w.Console(t.Context(), id, in)
			if refused := name == "text is not given"; refused != (err != nil) || refused != (len(text) == 0) {
				t.Errorf("%.60q, %v", text, err)
			}
			if n := w.histories(in); n != 0 {
				t.Errorf("%d captures stay", n)
			}
		})
	}
}

// A caller that leaves in the middle leaves no capture behind.
func TestConsoleCalledOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, okesim.Options{Latency: okesim.Latency{Accept: 20 * time.Millisecond, Provision: 1, Boot: 1, Terminate: 1}})
	id := w.addPool(okesim.Pool{Size: 1})
	in := w.running(id)[0]
	w.consolePause = time.Hour
	// Long enough for a busy machine to have asked for the capture by then.
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if text, err := w.Console(ctx, id, in); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "REQUESTED") {
		t.Errorf("%q, %v", text, err)
	}
	if n := w.histories(in); n != 0 {
		t.Errorf("%d captures stay", n)
	}
}

// The statement that policy.txt names for keeping the consoles keeps them, and
// nothing else.
func TestConsoleKept(t *testing.T) {
	w := newWorld(t, okesim.Options{VerifySignatures: true})
	w.sim.AddKey(keyOf(t))
	id := w.addPool(okesim.Pool{Size: 2})
	ids := w.running(id)
	kept := statements(t, "policy.txt")
	for i, s := range kept {
		if strings.Contains(s, "manage instance-family") {
			kept[i] += " where request.permission != 'CONSOLE_HISTORY_CREATE'"
		}
	}
	w.sim.SetPolicy(policyOf(t, kept))
	if _, err := w.Console(t.Context(), id, ids[0]); err == nil || !strings.Contains(err.Error(), "manage console-histories") {
		t.Errorf("%v, want the statement that is missing", err)
	}
	if err := w.Replace(t.Context(), id, ids[1]); err != nil {
		t.Error(err)
	}
	w.sim.SetPolicy(policyOf(t, statements(t, "policy.txt")))
	w.settle(id)
	if text, err := w.Console(t.Context(), id, ids[0]); err != nil || len(text) == 0 {
		t.Errorf("%q, %v", text, err)
	}
}
