package doctor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// A tenth of the cluster is the limit even where no pool and no zone has too
// many, and nothing broke at the same time; it holds for the pools that have a
// broken node.
func TestBrakeOfTheCluster(t *testing.T) {
	for broken, want := range map[int]BrakeReason{5: BrakeOpen, 6: BrakeCluster} {
		k := newClinic(repairs(v1alpha1.RepairOn))
		pools := []string{"workers", "p1", "p2", "p3", "well"}
		for _, p := range pools[1:] {
			k.AddPool(p, "4", "16Gi", repairs(v1alpha1.RepairOn))
		}
		for i := range 50 {
			k.addNode(fmt.Sprintf("workers-%d", i)) // made in the first pool, and moved
		}
		for i := range k.Cloud.Pools {
			id := k.Cloud.Pools[i].ID
			if i > 0 {
				k.Cloud.Instances[id] = k.Cloud.Instances[k.Cloud.Pools[0].ID][i*10 : (i+1)*10 : (i+1)*10]
			}
		}
		first := k.Cloud.Pools[0].ID
		k.Cloud.Instances[first] = k.Cloud.Instances[first][:10:10]
		for i := range broken {
			k.condemn(fmt.Sprintf("workers-%d", i%4*10+i/4), time.Duration(i+1)*5*time.Hour)
		}
		_, plan := k.decide(t)
		for _, b := range plan.Brakes {
			reason := want
			if b.Pool.Name == "well" {
				reason = BrakeOpen
			}
			if b.Reason != reason || b.Closed != (reason != BrakeOpen) {
				t.Errorf("%d of 50 broken: %s is %+v, want %s", broken, b.Pool.Name, b, reason)
			}
			if reason == BrakeCluster && !strings.Contains(b.Message, "in the cluster 6 of 50 nodes fail (ready 6); at most 5 = 10% of 50") {
				t.Errorf("its arithmetic: %s", b.Message)
			}
		}
		for _, r := range plan.Repairs {
			if want == BrakeCluster && r.Act == ActRequest {
				t.Errorf("a request for %s while the brake is closed", r.Node.Name())
			}
		}
	}
}
