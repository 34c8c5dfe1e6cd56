package world

import (
	"testing"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// A virtual pool is shown, and no verb gets a spec to act on.
func TestVirtualPoolIsLeftAlone(t *testing.T) {
	p := &Pool{Object: &v1alpha1.Pool{Spec: v1alpha1.PoolSpec{
		Scale:  &v1alpha1.ScaleSpec{MaxSize: 5},
		Cycle:  &v1alpha1.CycleSpec{Mode: v1alpha1.CycleAuto},
		Repair: &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn},
	}}}
	if p.ScaleSpec() == nil || p.CycleSpec() == nil || p.RepairSpec() == nil {
		t.Error("a pool with machines has no specs")
	}
	p.Cloud = cloudprovider.NodePool{Virtual: true}
	if p.ScaleSpec() != nil || p.CycleSpec() != nil || p.RepairSpec() != nil {
		t.Error("a virtual pool has a spec")
	}
}
