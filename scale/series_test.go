package scale

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

func series(t *testing.T, c prometheus.Collector) int {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		n += len(f.Metric)
	}
	return n
}

// A pool whose shape is edited every day has figures of the shape that it has today.
func TestKindsThatNoPoolMakesLeaveNoSeries(t *testing.T) {
	m := newSimulated()
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi", worldtest.Scale(0, 9))
	for day := range 30 {
		t := &w.Cloud.Pools[0].Placements[0].Template
		t.Status.Capacity[corev1.ResourceCPU] = resource.MustParse(fmt.Sprint(day + 1))
		s := w.Snapshot()
		m.look(s, Plan{Grows: []Grow{{pool: s.Pools[0], shapes: 2}}}, Policy{}.withDefaults())
	}
	if n := series(t, m.heterogeneity); n != 1 {
		t.Errorf("%d kinds of nodes are told of, of one pool", n)
	}
	m.look(world.Join(world.Objects{}, w.Cloud, w.Now), Plan{}, Policy{}.withDefaults())
	if n := series(t, m.heterogeneity); n != 1 {
		t.Errorf("%d kinds of nodes are told of", n)
	}
}

// Devices that have names of their own are no series of their own.
func TestNamesOfDevicesAreNoLabels(t *testing.T) {
	m := newMetrics()
	for i := range 50 {
		n := &corev1.Node{}
		n.Status.Allocatable = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1"), corev1.ResourceName(fmt.Sprintf("example.com/gpu-%d", i)): resource.MustParse("1")}
		m.removed(Removal{Reason: Empty, node: &world.Node{Object: n}})
	}
	if n := series(t, m.gpusDown); n != 2 {
		t.Errorf("%d kinds of accelerators are told of, want nvidia.com/gpu and other", n)
	}
}
