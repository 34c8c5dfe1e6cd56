package cycle

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// A machine that the cloud still calls stopped, and whose kubelet is Ready again, is of
// use: a run may not take it for one that costs nothing.
func TestAMachineThatHasJustComeBackIsOfUse(t *testing.T) {
	for name, c := range map[string]struct {
		state cloudprovider.State
		ready corev1.ConditionStatus
		want  bool
	}{
		"it works":           {cloudprovider.Running, corev1.ConditionTrue, false},
		"it has stopped":     {cloudprovider.Stopped, corev1.ConditionUnknown, true},
		"it has come back":   {cloudprovider.Stopped, corev1.ConditionTrue, false},
		"its kubelet is not": {cloudprovider.Running, corev1.ConditionUnknown, true},
	} {
		w := worldtest.New()
		w.AddPool("workers", "4", "16Gi")
		w.AddNode("workers", "n1").Status.Conditions[0].Status = c.ready
		w.Cloud.Instances[worldtest.PoolID("workers")][0].State = c.state
		if n := w.Snapshot().Pools[0].Nodes[0]; broken(n) != c.want {
			t.Errorf("%s: broken %v", name, !c.want)
		}
	}
}
