package oke

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

func node(id, name string, state containerengine.NodeLifecycleStateEnum, problem string) containerengine.Node {
	n := containerengine.Node{Name: common.String(name), LifecycleState: state, AvailabilityDomain: common.String("Uocm:PHX-AD-1")}
	if id != "" {
		n.Id = common.String(id)
	}
	if problem != "" {
		n.NodeError = &containerengine.NodeError{Code: common.String("InternalError"), Message: common.String(problem)}
	}
	return n
}

func TestState(t *testing.T) {
	const full = "Out of host capacity."
	for _, c := range []struct {
		id      string
		state   containerengine.NodeLifecycleStateEnum
		problem string
		want    cloudprovider.State
	}{
		{"", "CREATING", "", cloudprovider.Creating},
		{"", "CREATING", full, cloudprovider.Failed},
		{"", "ACTIVE", full, cloudprovider.Failed},
		{"", "", full, cloudprovider.Failed},
		{"", "", "", cloudprovider.Creating},
		{"", "DELETING", full, cloudprovider.Deleting},
		{"i", "CREATING", "", cloudprovider.Creating},
		{"i", "CREATING", "register timeout", cloudprovider.Creating}, // it exists and costs; the fault tells
		{"i", "UPDATING", "", cloudprovider.Creating},
		{"i", "ACTIVE", "", cloudprovider.Running},
		{"i", "DELETING", "", cloudprovider.Deleting},
		{"i", "INACTIVE", "", cloudprovider.Stopped},
		{"i", "FAILING", "", cloudprovider.Running},
		{"i", "SOMETHING_NEW", "", cloudprovider.StateUnknown},
	} {
		if got := state(node(c.id, "n", c.state, c.problem)); got != c.want {
			t.Errorf("id %q, %s, %q: %v, want %v", c.id, c.state, c.problem, got, c.want)
		}
	}
	if n := entries("p", []containerengine.Node{node("i", "n", "DELETED", "")}); len(n) != 0 {
		t.Errorf("deleted nodes are listed: %v", n)
	}
	if f := faultOf(node("i", "n", "FAILING", "")); f == nil || f.Code != "FAILING" {
		t.Errorf("fault of a failing node: %+v", f)
	}
}

// An entry keeps its placeholder when others come, go, change places or get
// their machine.
func TestPlaceholderIDs(t *testing.T) {
	a, b, c := node("", "a", "CREATING", ""), node("", "b", "CREATING", "x"), node("", "c", "CREATING", "x")
	ids := func(nodes ...containerengine.Node) map[string]cloudprovider.InstanceID {
		got := map[string]cloudprovider.InstanceID{}
		for i, id := range placeholderIDs("p", nodes) {
			got[str(nodes[i].Name)] = id
		}
		return got
	}
	all := ids(a, b, c)
	if len(all) != 3 || all["a"] == all["b"] || all["b"] == all["c"] {
		t.Fatalf("ids %v", all)
	}
	failed := node("", "a", "CREATING", "x") // a came to nothing
	for _, other := range []map[string]cloudprovider.InstanceID{ids(c, b, a), ids(b), ids(failed, c), ids(node("i", "a", "ACTIVE", ""), b)} {
		for name, id := range other {
			if all[name] != id {
				t.Errorf("%s was %s and is now %s", name, all[name], id)
			}
		}
	}
	// Without names the set stays.
	x, y := node("", "", "CREATING", "x"), node("", "", "CREATING", "x")
	first, again := placeholderIDs("p", []containerengine.Node{x, y}), placeholderIDs("p", []containerengine.Node{a, y, x})
	if first[0] == first[1] || first[0] != again[1] || first[1] != again[2] {
		t.Errorf("without names: %v, then %v", first, again)
	}
	if again[0] == again[1] {
		t.Errorf("two entries are %s", again[0])
	}
	// A name sent twice still makes two.
	if twice := placeholderIDs("p", []containerengine.Node{a, a}); twice[0] == twice[1] {
		t.Errorf("two entries are %s", twice[0])
	}
}

// Compute is asked once for all, and once for each that comes later, unless it
// is a crowd.
func TestFactsAreAskedOnce(t *testing.T) {
	w := newWorld(t, okesim.Options{PageSize: 100})
	id := w.addPool(okesim.Pool{Size: 3})
	if diff := cmp.Diff(map[string]int{"GetNodePool": 1, "ListInstances": 1, "GetImage": 1}, w.requests(func() { w.running(id) })); diff != "" {
		t.Errorf("first look (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"GetNodePool": 1}, w.requests(func() { w.running(id) })); diff != "" {
		t.Errorf("second look (-want +got):\n%s", diff)
	}
	w.setSizeBehind(id, 5)
	if diff := cmp.Diff(map[string]int{"GetNodePool": 1, "GetInstance": 2}, w.requests(func() { w.running(id) })); diff != "" {
		t.Errorf("two more (-want +got):\n%s", diff)
	}
	w.setSizeBehind(id, 20)
	if diff := cmp.Diff(map[string]int{"GetNodePool": 1, "ListInstances": 1}, w.requests(func() { w.running(id) })); diff != "" {
		t.Errorf("a crowd (-want +got):\n%s", diff)
	}
}

// What Compute does not tell now leaves gaps, and the instances are listed.
func TestInstancesWithoutCompute(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 2})
	w.sim.FailNext("ListInstances", readPolicy.tries, okesim.HTTPFault{Status: 500})
	list, err := w.Instances(t.Context(), id)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d instances, %v", len(list), err)
	}
	for _, in := range list {
		if in.Release.Image != "" || in.Release.Kubernetes != "v1.34.1" || !in.Created.IsZero() {
			t.Errorf("instance %+v", in)
		}
	}
	if asked := w.requests(func() { _, _ = w.Instances(t.Context(), id) }); asked["ListInstances"]+asked["GetInstance"] != 0 {
		t.Errorf("Compute is asked again at once: %v", asked)
	}
	w.computeAge = 0 // a minute later
	list, err = w.Instances(t.Context(), id)
	if err != nil || list[0].Release.Image == "" || list[0].Release.ImageName == "" || list[0].Created.IsZero() {
		t.Errorf("when Compute is back: %+v, %v", list, err)
	}
}

func TestZonesAndFaultDomains(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	var places []okesim.Placement
	for _, ad := range w.sim.AvailabilityDomains() {
		places = append(places, okesim.Placement{AD: ad, SubnetID: "ocid1.subnet.oc1.iad.nodes"})
	}
	id := w.addPool(okesim.Pool{Size: 3, Placements: places})
	list, err := w.Instances(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var zones []cloudprovider.Zone
	for _, in := range list {
		zones = append(zones, in.Zone)
		if m, err := w.sim.Instance(string(in.ID)); err != nil || in.Address == "" || in.Address != m.PrivateIP {
			t.Errorf("%s has the address %q: %+v, %v", in.ID, in.Address, m, err)
		}
		if in.FaultDomain == "" {
			t.Errorf("no fault domain: %+v", in)
		}
	}
	slices.Sort(zones)
	if diff := cmp.Diff([]cloudprovider.Zone{"US-ASHBURN-AD-1", "US-ASHBURN-AD-2", "US-ASHBURN-AD-3"}, zones); diff != "" {
		t.Errorf("zones (-want +got):\n%s", diff)
	}
}
