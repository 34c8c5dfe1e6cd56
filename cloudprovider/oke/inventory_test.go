package oke

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// sees waits until the instance is in a state, with the driver's minute made
// short.
func (w *world) sees(pool cloudprovider.PoolID, id cloudprovider.InstanceID, want cloudprovider.State) cloudprovider.Instance {
	w.t.Helper()
	var last []cloudprovider.Instance
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		list, err := w.Instances(w.t.Context(), pool)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, in := range list {
			if in.ID == id && in.State == want {
				return in
			}
		}
		last = list
	}
	w.t.Fatalf("%s is not %v: %+v", id, want, last)
	return cloudprovider.Instance{}
}

// A machine that somebody has terminated behind OKE's back is known to be gone,
// though OKE calls its node ACTIVE; the others are not touched.
func TestTerminatedBehindOKE(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 3})
	ids := w.running(id)
	w.computeAge = time.Millisecond
	w.sim.KillInstance(string(ids[1]))
	in := w.sees(id, ids[1], cloudprovider.Stopped)
	if in.Fault == nil || in.Fault.Code != "InstanceTERMINATED" {
		t.Errorf("fault %+v", in.Fault)
	}
	for _, other := range []cloudprovider.InstanceID{ids[0], ids[2]} {
		if in := w.sees(id, other, cloudprovider.Running); in.Fault != nil {
			t.Errorf("%s: %+v", other, in.Fault)
		}
	}
	// It can be deleted like any other, and the pool shrinks by it alone.
	if err := w.Delete(t.Context(), id, ids[1]); err != nil || w.size(id) != 2 {
		t.Errorf("delete: %v, size %d", err, w.size(id))
	}
}

func TestAfterCompute(t *testing.T) {
	now := time.Now()
	at := func(s core.InstanceLifecycleStateEnum, since time.Duration) machine {
		return machine{state: s, since: now.Add(-since), read: now}
	}
	for _, c := range []struct {
		name string
		oke  cloudprovider.State
		m    machine
		want cloudprovider.State
	}{
		{"runs", cloudprovider.Running, at("RUNNING", time.Hour), cloudprovider.Running},
		{"a reboot passes through", cloudprovider.Running, at("STOPPED", 10*time.Second), cloudprovider.Running},
		{"stopped to stay", cloudprovider.Running, at("STOPPED", time.Minute), cloudprovider.Stopped},
		{"on its way down may be a reboot", cloudprovider.Running, at("STOPPING", time.Hour), cloudprovider.Running},
		{"going", cloudprovider.Running, at("TERMINATING", 0), cloudprovider.Deleting},
		{"gone", cloudprovider.Running, at("TERMINATED", 0), cloudprovider.Stopped},
		{"gone before it was there", cloudprovider.Creating, at("TERMINATED", 0), cloudprovider.Stopped},
		{"failing and gone", cloudprovider.StateUnknown, at("TERMINATED", 0), cloudprovider.Stopped},
		{"OKE knows", cloudprovider.Deleting, at("TERMINATED", 0), cloudprovider.Deleting},
		{"a state of tomorrow", cloudprovider.Running, at("HIBERNATED", time.Hour), cloudprovider.Running},
	} {
		in := cloudprovider.Instance{ID: "i", State: c.oke}
		afterCompute(&in, c.m)
		if in.State != c.want || (in.Fault != nil) != (c.want != c.oke) {
			t.Errorf("%s: %v with %+v, want %v", c.name, in.State, in.Fault, c.want)
		}
		if in.Fault != nil && in.Fault.Class != cloudprovider.FaultUnknown {
			t.Errorf("%s: %+v after one look", c.name, in.Fault)
		}
	}
}

// A machine that ends behind OKE's back is proven to be lost by a second look and
// not by the first; nobody restarts it, and another is made in its place.
func TestLostMachine(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 2})
	lost := w.running(id)[0]
	w.sim.KillInstance(string(lost))
	w.computeAge = time.Nanosecond
	seen := func() cloudprovider.Instance {
		list, err := w.Instances(t.Context(), id)
		if err != nil || len(list) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		return list[slices.IndexFunc(list, func(in cloudprovider.Instance) bool { return in.ID == lost })]
	}
	if in := seen(); in.State != cloudprovider.Stopped || in.Fault.Class == cloudprovider.FaultLost {
		t.Errorf("after one look: %+v, %+v", in, in.Fault)
	}
	if in := seen(); in.State != cloudprovider.Stopped || in.Fault.Class != cloudprovider.FaultLost {
		t.Errorf("after two: %+v, %+v", in, in.Fault)
	}
	if err := w.Reboot(t.Context(), id, lost); !errors.Is(err, cloudprovider.ErrNotFound) || w.sim.Calls()["RebootClusterNode"] != 0 {
		t.Errorf("reboot: %v after %d requests", err, w.sim.Calls()["RebootClusterNode"])
	}
	if err := w.Replace(t.Context(), id, lost); err != nil {
		t.Fatal(err)
	}
	if now := w.running(id); len(now) != 2 || slices.Contains(now, lost) {
		t.Errorf("instances %v, without %s", now, lost)
	}
}

// hide keeps instances from Compute's answers, as those of another compartment
// or long gone are.
func (w *world) hide(hidden map[string]bool, elsewhere bool) {
	inner := w.server.Config.Handler
	w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		if hidden[id] && !elsewhere && strings.Contains(r.URL.Path, "/instances/") {
			rw.WriteHeader(http.StatusNotFound)
			_, _ = rw.Write([]byte(`{"code":"NotAuthorizedOrNotFound","message":"instance not found"}`))
			return
		}
		if strings.HasSuffix(r.URL.Path, "/instances") {
			body := recordBody(inner, r)
			rw.Header().Set("Content-Type", "application/json")
			_, _ = rw.Write(without(w.t, body, hidden))
			return
		}
		inner.ServeHTTP(rw, r)
	})
}

// An instance that Compute has forgotten is gone when it was missed twice, and
// only where others prove that we may look.
func TestForgottenByCompute(t *testing.T) {
	for _, c := range []struct {
		name      string
		hideAll   bool
		elsewhere bool
		want      cloudprovider.State
	}{
		{"one of three", false, false, cloudprovider.Stopped},
		{"all: perhaps we may not look", true, false, cloudprovider.Running},
		{"moved to another compartment", false, true, cloudprovider.Running},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, okesim.Options{})
			id := w.addPool(okesim.Pool{Size: 3})
			ids := w.running(id)
			hidden := map[string]bool{string(ids[0]): true}
			for _, in := range ids {
				hidden[string(in)] = hidden[string(in)] || c.hideAll
			}
			w.hide(hidden, c.elsewhere)
			// What was missed is forgotten after ten times this age, which a slow
			// machine must not take for one look.
			w.computeAge = 300 * time.Millisecond
			var first, last cloudprovider.State
			for n := range 6 {
				time.Sleep(301 * time.Millisecond) // so that the list is old again
				list, err := w.Instances(t.Context(), id)
				if err != nil || len(list) != 3 {
					t.Fatalf("%+v, %v", list, err)
				}
				if last = list[0].State; n == 0 {
					first = last
				}
			}
			if first != cloudprovider.Running || last != c.want {
				t.Errorf("at first %v, at last %v, want %v", first, last, c.want)
			}
		})
	}
}

// One list a minute serves all pools, however many ask at once.
func TestOneListForAllPools(t *testing.T) {
	w := newWorld(t, okesim.Options{PageSize: 1000})
	var pools []cloudprovider.PoolID
	for _, name := range []string{"a", "b", "c", "d"} {
		pools = append(pools, w.addPool(okesim.Pool{Name: name, Size: 10}))
	}
	asked := w.requests(func() {
		for range 3 {
			parallel(len(pools), func(i int) {
				if _, err := w.Instances(t.Context(), pools[i]); err != nil {
					t.Error(err)
				}
			})
		}
	})
	if asked["ListInstances"] != 1 || asked["GetInstance"] != 0 || asked["GetNodePool"] != 12 {
		t.Errorf("asked %v", asked)
	}
}

func TestMachineOf(t *testing.T) {
	now := time.Now()
	m := machineOf(core.Instance{ImageId: common.String("old"), SourceDetails: core.InstanceSourceViaImageDetails{ImageId: common.String("new")},
		TimeCreated: &common.SDKTime{Time: now.Add(-time.Hour)}, LifecycleState: "RUNNING"}, now)
	if m.image != "new" || !m.created.Equal(now.Add(-time.Hour)) || m.state != "RUNNING" || m.read != now {
		t.Errorf("machine %+v", m)
	}
	if m := machineOf(core.Instance{ImageId: common.String("old"), SourceDetails: core.InstanceSourceViaBootVolumeDetails{}}, now); m.image != "old" {
		t.Errorf("from a boot volume: %+v", m)
	}
}
