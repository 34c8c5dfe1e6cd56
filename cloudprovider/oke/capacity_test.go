package oke

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// The report says per placement, and per fault domain where the pool chooses
// some, whether there is room for the pool's own shape.
func TestCapacity(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	ads := w.sim.AvailabilityDomains()
	place := func(ad string, fds ...string) okesim.Placement {
		return okesim.Placement{AD: ad, SubnetID: "ocid1.subnet.oc1.iad.nodes", FaultDomains: fds}
	}
	id := w.addPool(okesim.Pool{Size: 0, Placements: []okesim.Placement{place(ads[0]), place(ads[1], "FAULT-DOMAIN-1", "FAULT-DOMAIN-3")}})
	w.sim.SetCapacity(testShape, ads[0], 0)
	list, err := cloudprovider.NewFleet(w.Provider, cloudprovider.FleetOptions{}).Capacity(t.Context(), id)
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	if c := list[0]; c.Zone != "US-ASHBURN-AD-1" || c.FaultDomain != "" || c.Fault == nil || c.Fault.Class != cloudprovider.FaultCapacity || c.Fault.Code != "OUT_OF_HOST_CAPACITY" {
		t.Errorf("a full availability domain: %+v, fault %+v", c, c.Fault)
	}
	for i, fd := range []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-3"} {
		if c := list[1+i]; c.Zone != "US-ASHBURN-AD-2" || c.FaultDomain != fd || c.Fault != nil {
			t.Errorf("a free one: %+v", c)
		}
	}
	var asked struct {
		CompartmentID  string `json:"compartmentId"`
		Availabilities []struct {
			Shape  string `json:"instanceShape"`
			Config struct {
				OCPUs  float64 `json:"ocpus"`
				Memory float64 `json:"memoryInGBs"`
			} `json:"instanceShapeConfig"`
		} `json:"shapeAvailabilities"`
	}
	if err := json.Unmarshal([]byte(w.lastWrite().body), &asked); err != nil {
		t.Fatal(err)
	}
	if a := asked.Availabilities[0]; a.Shape != testShape || a.Config.OCPUs != 2 || a.Config.Memory != 16 || asked.CompartmentID != w.sim.Tenancy() {
		t.Errorf("asked %+v", asked)
	}
	w.sim.FailNext("CreateComputeCapacityReport", 1, okesim.HTTPFault{Status: 403, Code: "NotAllowed"})
	if _, err := w.Capacity(t.Context(), id); !errors.Is(err, cloudprovider.ErrUnauthorized) {
		t.Errorf("without the right: %v", err)
	}
}
