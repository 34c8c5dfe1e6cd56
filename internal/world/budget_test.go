package world

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

func TestCeiling(t *testing.T) {
	percent, ten := intstr.FromString("10%"), intstr.FromInt32(10)
	scale := func(limit int32) *v1alpha1.ScaleSpec { return &v1alpha1.ScaleSpec{MaxSize: limit} }
	cycle := func(s *intstr.IntOrString) *v1alpha1.CycleSpec {
		return &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand, MaxSurge: s}
	}
	tests := []struct {
		name string
		size int
		run  *v1alpha1.CycleStatus
		spec *v1alpha1.PoolSpec
		want int
	}{
		{"nobody's pool", 5, nil, nil, 6},
		{"scaled", 5, nil, &v1alpha1.PoolSpec{Scale: scale(50)}, 51},
		{"larger than its maximum already", 60, nil, &v1alpha1.PoolSpec{Scale: scale(50)}, 61},
		{"surge rounds up", 5, nil, &v1alpha1.PoolSpec{Cycle: cycle(&percent)}, 6},
		{"surge is a share of the largest size", 5, nil, &v1alpha1.PoolSpec{Scale: scale(50), Cycle: cycle(&percent)}, 55},
		{"in a run the surge is not counted twice", 15, &v1alpha1.CycleStatus{Desired: 5}, &v1alpha1.PoolSpec{Cycle: cycle(&ten)}, 15},
		{"blue-green doubles", 5, nil, &v1alpha1.PoolSpec{Cycle: &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand, Strategy: v1alpha1.StrategyBlueGreen}}, 10},
		{"the run's strategy counts, not the edit", 5, &v1alpha1.CycleStatus{Desired: 5, Strategy: v1alpha1.StrategyBlueGreen}, &v1alpha1.PoolSpec{Cycle: cycle(&ten)}, 10},
		{"scaled to nothing is a bound, not its absence", 0, nil, &v1alpha1.PoolSpec{Scale: scale(0)}, 1},
	}
	for _, test := range tests {
		p := &Pool{Cloud: cloudprovider.NodePool{ID: "p", Size: test.size}}
		if test.spec != nil {
			p.Object = &v1alpha1.Pool{Spec: *test.spec, Status: v1alpha1.PoolStatus{Cycle: test.run}}
		}
		if got := p.Ceiling(); got != test.want {
			t.Errorf("%s: ceiling = %d, want %d", test.name, got, test.want)
		}
		s := &Snapshot{Pools: []*Pool{p}}
		if got := s.bounds()["p"].Max; got != test.want {
			t.Errorf("%s: bound = %d, want %d", test.name, got, test.want)
		}
	}
}
