package cycle

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// A blue-green run waits until all its green nodes are available. Where one of them has
// failed and the doctor has braked, that is for as long as nobody comes: whoever reads why
// is told which node it is (seed 152882 of the simulation).
func TestWaitingForGreenNamesWhatFails(t *testing.T) {
	for name, c := range map[string]struct {
		ready corev1.ConditionStatus
		says  string
	}{
		"one is on its way": {corev1.ConditionTrue, "1 of 2 new nodes are available: nothing is cordoned before all are"},
		"one has failed":    {corev1.ConditionUnknown, "0 of 2 new nodes are available: nothing is cordoned before all are; waiting for green to work again"},
	} {
		w, p := gated()
		p.Spec.Cycle.Strategy, p.Status.Cycle.Strategy = v1alpha1.StrategyBlueGreen, v1alpha1.StrategyBlueGreen
		p.Status.Cycle.StartedAt = metav1.NewTime(w.Now.Add(-2 * time.Hour))
		w.AddNode("workers", "green", func(n *corev1.Node) {
			n.Status.Conditions[0].Status = c.ready
			n.Status.Conditions[0].LastTransitionTime = metav1.NewTime(w.Now.Add(-30 * time.Minute))
		})
		w.AddInstance("workers", "to come", cloudprovider.Creating).Created = w.Now.Add(-time.Minute)
		said := ""
		for _, b := range Decide(w.Snapshot(), Policy{}).Pools[0].Blocked {
			if b.Reason == WaitingForGreen {
				said = b.Message
			}
		}
		if !strings.HasSuffix(said, c.says) {
			t.Errorf("%s: %q; want %q", name, said, c.says)
		}
	}
}
