package oke

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// The service is told not to drain, in one write for each machine.
func TestRebootOnTheWire(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 2})
	ids := w.running(id)
	cost := w.requests(func() {
		if err := w.Reboot(t.Context(), id, ids...); err != nil {
			t.Fatal(err)
		}
	})
	if diff := cmp.Diff(map[string]int{"GetNodePool": 2, "RebootClusterNode": 2}, cost); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	got := w.lastWrite()
	if got.method != http.MethodPost || !strings.HasSuffix(got.path, "/clusters/"+w.cluster+"/nodes/"+string(ids[1])+"/actions/reboot") ||
		!sameJSON(t, got.body, `{"nodeEvictionSettings":{"evictionGraceDuration":"PT0M","isForceActionAfterGraceDuration":true}}`) {
		t.Errorf("write %+v", got)
	}
	if now := w.running(id); !slices.Equal(now, ids) {
		t.Errorf("instances %v became %v", ids, now)
	}
}

// A lost answer is settled by looking, and by a token that is the same each time.
func TestInPlaceLostAnswer(t *testing.T) {
	for _, op := range []string{"RebootClusterNode", "ReplaceBootVolumeClusterNode"} {
		w := newWorld(t, okesim.Options{})
		id := w.addPool(okesim.Pool{Size: 1})
		in := w.running(id)[0]
		w.sim.FailNext(op, 1, okesim.HTTPFault{Drop: true})
		do := w.Reboot
		if op != "RebootClusterNode" {
			do = w.ReplaceBootVolume
		}
		if err := do(t.Context(), id, in); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		w.running(id)
		if got, err := w.sim.Instance(string(in)); err != nil || got.Boots != 2 {
			t.Errorf("%s: %d boots, %v; want one more", op, got.Boots, err)
		}
	}
}

// A token that the service says is used up was used by this very order: whoever looks
// sees a machine that is up again, and must not send it down a second time.
func TestAUsedTokenIsOurOwnOrder(t *testing.T) {
	for code, mine := range map[string]bool{"InvalidatedRetryToken": true, "IncorrectState": false} {
		w := newWorld(t, okesim.Options{})
		id := w.addPool(okesim.Pool{Size: 1})
		in := w.running(id)[0]
		w.sim.FailNext("RebootClusterNode", 1, okesim.HTTPFault{Status: http.StatusConflict, Code: code, Message: "no"})
		if err := w.Reboot(t.Context(), id, in); (err == nil) != mine {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// Each order is one of its own to the service, also where retries are not spread: it
// would answer a second order with the first one's token by 409 for a day.
func TestEachRestartHasItsOwnToken(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	w.random = func() float64 { return 0.5 }
	id := w.addPool(okesim.Pool{Size: 2})
	ids := w.running(id)
	for boots, do := range []func() error{
		func() error { return w.Reboot(t.Context(), id, ids...) },
		func() error { return w.Reboot(t.Context(), id, ids...) },
		func() error { return w.ReplaceBootVolume(t.Context(), id, ids...) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		for _, in := range w.running(id) {
			if got, err := w.sim.Instance(string(in)); err != nil || got.Boots != boots+2 {
				t.Errorf("%s: %d boots, %v; want %d", in, got.Boots, err, boots+2)
			}
		}
	}
}

func TestReplaceBootVolumeRefusals(t *testing.T) {
	w := newWorld(t, okesim.Options{}).in(okesim.Cluster{Name: "basic", Type: "BASIC_CLUSTER"})
	id := w.addPool(okesim.Pool{Size: 1})
	in := w.running(id)[0]
	err := w.ReplaceBootVolume(t.Context(), id, in)
	if !errors.Is(err, cloudprovider.ErrNotSupported) || !strings.Contains(err.Error(), "enhanced clusters only") {
		t.Errorf("basic cluster: %v", err)
	}
	if err := w.ReplaceBootVolume(t.Context(), id, cloudprovider.Placeholder(id, 1)); !errors.Is(err, cloudprovider.ErrInvalid) {
		t.Errorf("placeholder: %v", err)
	}
	if err := w.ReplaceBootVolume(t.Context(), id, "ocid1.instance.oc1.iad.none"); !errors.Is(err, cloudprovider.ErrNotFound) {
		t.Errorf("no such instance: %v", err)
	}
}

// After a new boot volume the driver knows the new image, though the machine's
// OCID is the old one.
func TestReplaceBootVolumeShowsTheNewRelease(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	in := w.running(id)[0]
	for _, version := range []string{"v1.34.2", "v1.34.2"} {
		target := w.release(id, version)
		if list, _ := w.Instances(t.Context(), id); list[0].Release.Kubernetes == version { // the second time only the image differs
			older, err := w.Releases(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(older, func(r cloudprovider.Release) bool { return r.Kubernetes == version && r.Image != target.Image })
			target = older[i]
		}
		if err := w.SetRelease(t.Context(), id, target); err != nil {
			t.Fatal(err)
		}
		w.settle(id)
		if err := w.ReplaceBootVolume(t.Context(), id, in); err != nil {
			t.Fatal(err)
		}
		w.eventually(func() bool {
			list, err := w.Instances(t.Context(), id)
			return err == nil && len(list) == 1 && list[0].ID == in && list[0].State == cloudprovider.Running && list[0].Release == target
		})
	}
}

func (w *world) eventually(ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("not so after a minute")
		}
	}
}

// The grace is this request's and not the pool's; numbers go as text.
func TestCycleOnTheWire(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 2})
	for _, c := range []struct {
		how          cloudprovider.Cycling
		body         string
		grace, force string
	}{
		{cloudprovider.Cycling{MaxSurge: 2, Grace: 90 * time.Second}, `{"maximumSurge":"2","maximumUnavailable":"0","isNodeCyclingEnabled":true,"cycleModes":["INSTANCE_REPLACE"]}`, "PT2M", "false"},
		{cloudprovider.Cycling{InPlace: true, MaxSurge: 1, MaxUnavailable: 1, Grace: time.Hour, Force: true}, `{"maximumUnavailable":"1","isNodeCyclingEnabled":true,"cycleModes":["BOOT_VOLUME_REPLACE"]}`, "PT60M", "true"},
	} {
		w.settle(id)
		if err := w.Cycle(t.Context(), id, c.how); err != nil {
			t.Fatal(err)
		}
		got := w.lastWrite()
		var body map[string]json.RawMessage
		if err := json.Unmarshal([]byte(got.body), &body); err != nil {
			t.Fatal(err)
		}
		keys := slices.Collect(maps.Keys(body))
		if len(keys) != 1 || !sameJSON(t, string(body["nodePoolCyclingDetails"]), c.body) || got.ifMatch == "" {
			t.Errorf("write %+v, want %s", got, c.body)
		}
		if !strings.Contains(got.query, "overrideEvictionGraceDuration="+c.grace) || !strings.Contains(got.query, "isForceDeletionAfterOverrideGraceDuration="+c.force) {
			t.Errorf("query %s", got.query)
		}
	}
}

func TestCycleRefusals(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	for _, how := range []cloudprovider.Cycling{
		{}, {InPlace: true, MaxSurge: 1}, {MaxSurge: -1, MaxUnavailable: 1}, {MaxSurge: 1, Grace: 2 * time.Hour}, {MaxSurge: 1, Grace: -1},
	} {
		if err := w.Cycle(t.Context(), id, how); !errors.Is(err, cloudprovider.ErrInvalid) {
			t.Errorf("%+v: %v", how, err)
		}
	}
	if n := w.sim.Calls()["UpdateNodePool"]; n != 0 {
		t.Errorf("%d writes for refusals", n)
	}
	w.in(okesim.Cluster{Name: "basic", Type: "BASIC_CLUSTER"})
	basic := w.addPool(okesim.Pool{Size: 1})
	err := w.Cycle(t.Context(), basic, cloudprovider.Cycling{MaxSurge: 1})
	if !errors.Is(err, cloudprovider.ErrNotSupported) || w.sim.Calls()["UpdateNodePool"] != 0 {
		t.Errorf("basic cluster: %v", err)
	}
	// Who may not read the cluster's kind hears it from the service.
	w.Provider = w.driver()
	w.sim.FailNext("GetCluster", 1, okesim.HTTPFault{Status: 404})
	err = w.Cycle(t.Context(), basic, cloudprovider.Cycling{MaxSurge: 1})
	if !errors.Is(err, cloudprovider.ErrNotSupported) || !strings.Contains(err.Error(), "enhanced clusters only") {
		t.Errorf("basic cluster: %v", err)
	}
}

// SetRelease touches no running instance, also where cycling is switched on.
func TestSetReleaseSwitchesCyclingOff(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	if err := w.Cycle(t.Context(), id, cloudprovider.Cycling{MaxSurge: 1}); err != nil {
		t.Fatal(err)
	}
	before := w.running(id)
	if err := w.SetRelease(t.Context(), id, cloudprovider.Release{Kubernetes: "v1.34.2"}); err != nil {
		t.Fatal(err)
	}
	if got := w.lastWrite(); !strings.Contains(got.body, `"isNodeCyclingEnabled":false`) {
		t.Errorf("write %s", got.body)
	}
	if now := w.running(id); !slices.Equal(before, now) {
		t.Errorf("instances %v became %v", before, now)
	}
}
