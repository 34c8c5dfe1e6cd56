package oke

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// A full look at three pools: what it costs in requests is a promise, as the
// service counts them and tells nobody how many are too many.
func TestCostOfALook(t *testing.T) {
	w := newWorld(t, okesim.Options{PageSize: 100})
	for i := range 3 {
		w.addPool(okesim.Pool{Name: fmt.Sprintf("pool-%d", i), Size: 5})
	}
	f := cloudprovider.NewFleet(w.Provider, cloudprovider.FleetOptions{})
	look := func() {
		c := f.Observe(t.Context())
		if c.Err != nil || len(c.Pools) != 3 {
			t.Fatalf("look %+v", c)
		}
		for _, p := range c.Pools {
			if p.Health.Err != nil || len(c.Instances[p.ID]) != 5 {
				t.Fatalf("pool %+v", p)
			}
		}
	}
	first := w.requests(look)
	// All pools have one shape and one image: whoever asks first asks for all, also
	// while pools are read side by side.
	if diff := cmp.Diff(map[string]int{"ListNodePools": 1, "GetNodePool": 3, "ListInstances": 1, "ListVirtualNodePools": 1, "GetImage": 1, "ListShapes": 1}, first); diff != "" {
		t.Errorf("first look (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"ListNodePools": 1, "GetNodePool": 3}, w.requests(look)); diff != "" {
		t.Errorf("every look after it (-want +got):\n%s", diff)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	r := prometheus.NewPedanticRegistry()
	if err := w.Register(r); err != nil {
		t.Fatal(err)
	}
	w.sim.FailNext("ListNodePools", 1, okesim.HTTPFault{Status: 429})
	if _, err := w.Pools(t.Context()); err != nil {
		t.Fatal(err)
	}
	for status, want := range map[string]float64{"2xx": 1, "429": 1, "none": 0} {
		if got := testutil.ToFloat64(w.metrics.requests.WithLabelValues("ListNodePools", status)); got != want {
			t.Errorf("%s: %v, want %v", status, got, want)
		}
	}
}
