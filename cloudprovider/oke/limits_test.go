package oke

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// Each limit that counts the shape is told for each availability domain of the pool
// once, with what a node takes of it by the pool's own size.
func TestLimits(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	ads := w.sim.AvailabilityDomains()
	place := func(ad string) okesim.Placement {
		return okesim.Placement{AD: ad, SubnetID: "ocid1.subnet.oc1.iad.nodes"}
	}
	id := w.addPool(okesim.Pool{Size: 2, Placements: []okesim.Placement{place(ads[0]), place(ads[1]), place(ads[1])}})
	w.running(id)
	w.sim.SetCoreLimit("standard-e4-core-count", ads[0], 5)
	fleet := cloudprovider.NewFleet(w.Provider, cloudprovider.FleetOptions{})
	got, err := fleet.Limits(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	want := []cloudprovider.Limit{
		{Name: "standard-e4-core-count", Zone: "US-ASHBURN-AD-1", Left: 3, PerNode: 2},
		{Name: "standard-e4-core-count", Zone: "US-ASHBURN-AD-2", Left: 99998, PerNode: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	w.sim.Refuse("GetResourceAvailability", 404)
	if _, err := fleet.Limits(t.Context(), id); !errors.Is(err, cloudprovider.ErrNotFound) || !strings.Contains(err.Error(), "read resource-availability in tenancy") {
		t.Errorf("without the right: %v, want the statement that is missing", err)
	}
}

// A limit's unit is told by its name alone.
func TestWhatANodeTakes(t *testing.T) {
	sh := shape{ocpus: 15, memoryGB: 240, gpus: 2}
	for name, want := range map[string]float64{
		"standard-e4-core-count": 15, "standard-e4-memory-count": 240, "gpu-a10-count": 2, "vm-standard2-2-count": 1, "bm-standard-e5-192-count": 1,
	} {
		if got := takes(name, sh, nil); got != want {
			t.Errorf("a node takes %v of %s, want %v", got, name, want)
		}
	}
}
