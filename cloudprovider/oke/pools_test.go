package oke

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// A list whose second page does not come is an error and no shorter list.
func TestPoolsHalfAList(t *testing.T) {
	w := newWorld(t, okesim.Options{PageSize: 2})
	for _, name := range []string{"a", "b", "c"} {
		w.addPool(okesim.Pool{Name: name})
	}
	answered := 0
	w.reads.HTTPClient = gate{w.reads.HTTPClient, func(path, query string) bool {
		if !strings.HasSuffix(path, "/nodePools") {
			return true
		}
		answered++
		return !strings.Contains(query, "page=")
	}}
	list, err := w.Pools(t.Context())
	if err == nil || len(list) != 0 {
		t.Fatalf("%d pools, error %v", len(list), err)
	}
	if answered != 1+readPolicy.tries {
		t.Errorf("%d requests", answered)
	}
}

// Only this cluster's pools are listed, and no other is touched.
func TestPoolsOfThisClusterOnly(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	mine := w.addPool(okesim.Pool{Name: "mine"})
	other, err := w.sim.AddPool(okesim.Pool{
		ClusterID: w.sim.AddCluster(okesim.Cluster{Name: "other"}), Name: "other", Shape: testShape, OCPUs: 1, MemoryGB: 8, Size: 1,
		Placements: []okesim.Placement{{AD: w.sim.AvailabilityDomains()[0], SubnetID: "s"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.settle(cloudprovider.PoolID(other))
	list, err := w.Pools(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != mine {
		t.Fatalf("pools %v, %v", list, err)
	}
	if err := w.Resize(t.Context(), cloudprovider.PoolID(other), 1, 2); !errors.Is(err, cloudprovider.ErrNotFound) {
		t.Errorf("resize of another cluster's pool: %v", err)
	}
	if w.size(cloudprovider.PoolID(other)) != 1 {
		t.Error("another cluster's pool was resized")
	}
}

// A pool that cannot be read on its own is there, with what was last known.
func TestPoolsOneUnreadable(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1})
	good, err := w.Pools(t.Context())
	if err != nil || good[0].Health.Err != nil {
		t.Fatalf("pools %+v, %v", good, err)
	}
	m := w.memory(id)
	m.mu.Lock()
	m.metadata.at = m.metadata.at.Add(-2 * metadataAge)
	m.mu.Unlock()
	w.sim.FailNext("GetNodePool", readPolicy.tries, okesim.HTTPFault{Status: 500})
	list, err := w.Pools(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("pools %+v, %v", list, err)
	}
	p := list[0]
	if p.Health.Err == nil || !p.Health.Observed.Equal(good[0].Health.Observed) || p.Size != 1 {
		t.Errorf("pool %+v", p)
	}
	if len(p.Placements) != 1 || p.Placements[0].Template.Status.Allocatable.Cpu().IsZero() {
		t.Errorf("the last good template is gone: %+v", p.Placements)
	}
	again, err := w.Pools(t.Context())
	if err != nil || again[0].Health.Err != nil {
		t.Errorf("when it can be read again: %+v, %v", again, err)
	}
}

func TestPoolFields(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	image, err := w.sim.NewestImage("v1.34.1", testShape)
	if err != nil {
		t.Fatal(err)
	}
	id := w.addPool(okesim.Pool{Name: "workers", Size: 2})
	list, err := w.Pools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := list[0]
	want := cloudprovider.Release{Kubernetes: "v1.34.1", Image: image.ID, ImageName: image.Name}
	if p.ID != id || p.Name != "workers" || p.Size != 2 || p.Release != want || p.Shape != testShape || p.Health.Updating {
		t.Errorf("pool %+v", p)
	}
	if err := w.Resize(t.Context(), id, 2, 3); err != nil {
		t.Fatal(err)
	}
}
