package oke

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// differing are the settings in which a pool's only instance lags behind it.
func (w *world) differing(id cloudprovider.PoolID) []string {
	w.t.Helper()
	list, err := w.Instances(w.t.Context(), id)
	if err != nil || len(list) != 1 {
		w.t.Fatalf("%d instances, %v", len(list), err)
	}
	pools, err := w.Pools(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	i := slices.IndexFunc(pools, func(p cloudprovider.NodePool) bool { return p.ID == id })
	var names []string
	for _, name := range slices.Sorted(maps.Keys(pools[i].Settings)) {
		if have, ok := list[0].Settings[name]; !ok || have != pools[i].Settings[name] {
			names = append(names, name)
		}
	}
	return names
}

// An instance that was made as the pool says differs in nothing, and in what was
// changed since.
func TestSettings(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	w.computeAge = time.Millisecond
	id := w.addPool(okesim.Pool{Size: 1, BootVolumeGB: 100, Metadata: map[string]string{"user_data": "IyEvYmluL3NoCg==", "areLegacyImdsEndpointsDisabled": "true"}})
	if got := w.differing(id); len(got) > 0 {
		t.Fatalf("a new instance differs in %v", got)
	}
	if list, _ := w.Instances(t.Context(), id); len(list[0].Settings) != 3 {
		t.Errorf("settings %v", list[0].Settings)
	}
	ocpus, boot := float32(4), 200
	for _, step := range []struct {
		update okesim.PoolUpdate
		want   []string
	}{
		{okesim.PoolUpdate{Metadata: map[string]string{"user_data": "IyEvYmluL2Jhc2gK", "areLegacyImdsEndpointsDisabled": "true"}}, []string{"metadata"}},
		{okesim.PoolUpdate{OCPUs: &ocpus}, []string{"metadata", "shape"}},
		{okesim.PoolUpdate{BootVolumeGB: &boot}, []string{"bootVolume", "metadata", "shape"}},
	} {
		if _, err := w.sim.UpdatePool(string(id), step.update, ""); err != nil {
			t.Fatal(err)
		}
		w.settle(id)
		if diff := cmp.Diff(step.want, w.differing(id)); diff != "" {
			t.Errorf("differing (-want +got):\n%s", diff)
		}
	}
}
