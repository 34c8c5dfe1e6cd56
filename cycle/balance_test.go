package cycle

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/cloudprovider"
)

// A cloud that fills the emptiest zone, and the first among equals, leaves a
// pool of 2/2/2 at 3/1/2 when nodes are replaced one by one. The run evens that
// out before it ends.
func TestRunEndsWithEvenZones(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		set := setting{
			size: rapid.IntRange(2, 9).Draw(rt, "size"), zones: rapid.IntRange(2, 3).Draw(rt, "zones"),
			surge: intstr.FromInt32(int32(rapid.IntRange(1, 3).Draw(rt, "surge"))), unavailable: intstr.FromInt32(0),
			lag: rapid.IntRange(0, 2).Draw(rt, "lag"), pods: 6, minAvailable: 4,
		}
		inBubble(t, rt, func(t tester) {
			s := newSimulation(t, set)
			s.upgraded()
			most, least := spread(t, s)
			if most-least > 1 {
				t.Errorf("the fullest zone has %d nodes and the emptiest %d", most, least)
			}
		})
	})
}

func spread(t tester, s *simulation) (most, least int) {
	list, err := s.cloud.Instances(context.Background(), s.id)
	if err != nil {
		t.Fatalf("list instances: %v", err)
	}
	zones := map[cloudprovider.Zone]int{}
	for _, in := range list {
		zones[in.Zone]++
	}
	least = len(list)
	for _, z := range []cloudprovider.Zone{"ZONE-1", "ZONE-2", "ZONE-3"}[:s.set.zones] {
		most, least = max(most, zones[z]), min(least, zones[z])
	}
	return most, least
}
