package fake_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

// states lists what the pool's entries are.
func states(t *testing.T, c *fake.Cloud, id cloudprovider.PoolID) []string {
	t.Helper()
	list, err := c.Instances(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, in := range list {
		s := in.State.String()
		if in.ID.Placeholder() {
			s += " placeholder"
		}
		all = append(all, s)
	}
	return all
}

// The life of a machine follows the bubble's clock, with nothing to wake.
func TestLatencyFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fake.New(fake.Options{Latency: fake.Latency{Launch: time.Second, Boot: time.Minute, Delete: 10 * time.Second}})
		id := c.AddPool(fake.Pool{Size: 1})
		want := func(s ...string) {
			t.Helper()
			if diff := cmp.Diff(s, states(t, c, id)); diff != "" {
				t.Fatalf("states (-want +got):\n%s", diff)
			}
		}
		want("Creating placeholder")
		time.Sleep(time.Second)
		want("Creating")
		time.Sleep(time.Minute)
		want("Running")
		list, _ := c.Instances(t.Context(), id)
		if err := c.Delete(t.Context(), id, list[0].ID); err != nil {
			t.Fatal(err)
		}
		want("Deleting")
		c.Advance(10 * time.Second)
		if left := states(t, c, id); len(left) != 0 {
			t.Fatalf("left: %v", left)
		}
	})
}

func TestCapacityPerZone(t *testing.T) {
	c := fake.New(fake.Options{})
	c.SetCapacity("A", 1)
	id := c.AddPool(fake.Pool{Size: 4, Zones: []cloudprovider.Zone{"A", "B"}})
	list, err := c.Instances(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	got := map[cloudprovider.Zone]map[string]int{"A": {}, "B": {}}
	for _, in := range list {
		got[in.Zone][in.State.String()]++
	}
	want := map[cloudprovider.Zone]map[string]int{"A": {"Running": 1, "Failed": 1}, "B": {"Running": 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("zones (-want +got):\n%s", diff)
	}
	// A machine that goes gives its place back.
	for _, in := range list {
		if in.Zone == "A" && in.State == cloudprovider.Running {
			if err := c.Replace(t.Context(), id, in.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(states(t, c, id)); n != 4 {
		t.Fatalf("%d entries", n)
	}
}

func TestCallsAreRecorded(t *testing.T) {
	c := fake.New(fake.Options{})
	id := c.AddPool(fake.Pool{Size: 1})
	c.FailNext("Resize", cloudprovider.ErrQuota)
	_ = c.Resize(t.Context(), id, 1, 2)
	_ = c.Resize(t.Context(), id, 1, 3)
	calls := c.Calls()
	if len(calls) != 2 || calls[0].Err == nil || calls[1].Err != nil || calls[1].To != 3 || calls[1].Pool != id {
		t.Fatalf("calls %+v", calls)
	}
}
