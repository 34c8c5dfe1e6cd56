package cycle

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// taken is the node that a plan takes first.
func taken(p Plan) string {
	for _, s := range p.Steps {
		if s.Kind == Mark {
			return s.Node
		}
	}
	return ""
}

// The run ends with its last node: what will take an hour is begun first, unless
// a canary is to be chosen.
func TestSlowNodesGoFirst(t *testing.T) {
	w, p := gated()
	one, hour := intstr.FromInt32(1), int64(3600)
	p.Spec.Cycle.MaxUnavailable = &one
	list := w.Cloud.Instances[worldtest.PoolID("workers")]
	list[0].Created = w.Now.Add(-48 * time.Hour)
	if got := taken(Decide(w.Snapshot(), Policy{})); got != "n1" {
		t.Fatalf("%q goes first, want the oldest, n1", got)
	}
	w.AddPod("batch", "1", "1Gi", worldtest.On("n2")).Spec.TerminationGracePeriodSeconds = &hour
	if got := taken(Decide(w.Snapshot(), Policy{})); got != "n2" {
		t.Errorf("%q goes first, want the one that takes an hour, n2", got)
	}
	p.Spec.Cycle.Canary, p.Status.Cycle.Stale = &v1alpha1.CanarySpec{}, 2
	if got := taken(Decide(w.Snapshot(), Policy{})); got != "n1" {
		t.Errorf("%q is the canary, want n1", got)
	}
}

func TestZoneByZone(t *testing.T) {
	w, p := gated()
	all := intstr.FromInt32(2)
	p.Spec.Cycle.MaxUnavailable, p.Spec.Cycle.Order = &all, v1alpha1.OrderZone
	list := w.Cloud.Instances[worldtest.PoolID("workers")]
	list[0].Created, list[0].Zone, list[1].Zone = w.Now.Add(-48*time.Hour), "ZONE-B", "ZONE-A"
	if got := taken(Decide(w.Snapshot(), Policy{})); got != "n2" {
		t.Errorf("%q goes first, want n2 of the first zone", got)
	}
}
