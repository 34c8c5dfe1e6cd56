package doctor

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// Repairs of a pool are counted for as long as anybody names it.
func TestRepairsOfPoolsThatAreGoneAreNotCounted(t *testing.T) {
	m := newMetrics()
	r := prometheus.NewRegistry()
	r.MustRegister(m.repairs)
	pools := func() (out []string) {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, one := range f.Metric {
				for _, label := range one.Label {
					if label.GetName() == "pool" {
						out = append(out, label.GetValue())
					}
				}
			}
		}
		return out
	}
	orphan := &v1alpha1.Pool{}
	orphan.Name = "orphan"
	for _, pool := range []string{"stays", "goes", "orphan"} {
		m.repaired(pool, ActRequest)
		m.repaired(pool, ActNote)
	}
	s := &world.Snapshot{Pools: []*world.Pool{{Name: "stays"}, {Name: "goes"}}, Orphans: []world.Orphan{{Object: orphan}}}
	m.observe(s, nil, Plan{}, time.Now())
	if got := pools(); len(got) != 6 {
		t.Fatalf("%v are counted", got)
	}
	s.Pools = s.Pools[:1]
	m.observe(s, nil, Plan{}, time.Now())
	if got := pools(); len(got) != 4 || got[0] != "orphan" || got[3] != "stays" {
		t.Errorf("%v are counted", got)
	}
}
