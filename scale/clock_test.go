package scale

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// A pod waits for a node whatever the clock says that dated it; how long it has waited is
// by that clock.
func TestPodsOfAnotherClock(t *testing.T) {
	for _, c := range []struct {
		off, measured, delay time.Duration
		grows                int
	}{
		{0, 0, 0, 1}, {10 * time.Minute, 0, 0, 1}, {26 * time.Hour, 0, 0, 1}, {-26 * time.Hour, 0, 0, 1},
		{0, 0, 2 * time.Minute, 0}, {-10 * time.Minute, -10 * time.Minute, 2 * time.Minute, 0}, {10 * time.Minute, 10 * time.Minute, 30 * time.Second, 1},
	} {
		w := worldtest.New()
		w.AddPool("small", "4", "16Gi", worldtest.Scale(0, 9))
		w.AddPod("web", "1", "1Gi").CreationTimestamp = metav1.NewTime(w.Now.Add(c.off - time.Minute))
		s := w.Snapshot()
		s.Ahead = c.measured
		d, left, err := growth(s, Policy{NewPodDelay: c.delay}, nil, nil, nil, func(*decision) {})
		if err != nil {
			t.Fatal(err)
		}
		if len(d.plan.Grows) != c.grows {
			t.Errorf("a server %s ahead, measured as %s, and a delay of %s: grows %v, leaves %v", c.off, c.measured, c.delay, d.plan.Grows, left)
		}
	}
}
