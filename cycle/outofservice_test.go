package cycle

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// The taint would corrupt data on a machine that runs: both witnesses are asked,
// and it goes as soon as one takes its word back.
func TestOutOfServiceNeedsTwoWitnesses(t *testing.T) {
	silent := func(ago time.Duration) func(*corev1.Node, time.Time) {
		return func(n *corev1.Node, now time.Time) {
			for i := range n.Status.Conditions {
				if c := &n.Status.Conditions[i]; c.Type == corev1.NodeReady {
					c.Status, c.LastTransitionTime = corev1.ConditionUnknown, metav1.NewTime(now.Add(-ago))
				}
			}
		}
	}
	alive := func(*corev1.Node, time.Time) {}
	for name, c := range map[string]struct {
		state   cloudprovider.State
		kubelet func(*corev1.Node, time.Time)
		tainted bool
		stopped bool // the cloud does not answer
		want    Kind
	}{
		"stopped and silent":                 {cloudprovider.Stopped, silent(2 * time.Minute), false, false, OutOfService},
		"stopped, silent for a moment":       {cloudprovider.Stopped, silent(time.Second), false, false, ""},
		"stopped and heard":                  {cloudprovider.Stopped, alive, false, false, ""},
		"silent and running":                 {cloudprovider.Running, silent(time.Hour), false, false, ""},
		"said already":                       {cloudprovider.Stopped, silent(time.Hour), true, false, ""},
		"started again":                      {cloudprovider.Running, silent(time.Hour), true, false, InService},
		"heard again":                        {cloudprovider.Stopped, alive, true, false, InService},
		"the cloud does not answer any more": {cloudprovider.Stopped, silent(time.Hour), false, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := worldtest.New()
			pool := w.AddPool("workers", "4", "16Gi", func(p *v1alpha1.Pool) { p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand} })
			w.AddNode("workers", "n1")
			n := &w.Objects.Nodes[0]
			c.kubelet(n, w.Now)
			if c.tainted {
				kube.TakeOutOfService(n)
			}
			w.Cloud.Instances[pool.ID][0].State = c.state
			if c.stopped {
				w.Cloud.Err = cloudprovider.ErrThrottled
			}
			var got Kind
			for _, s := range Decide(w.Snapshot(), Policy{}).Steps {
				if s.Kind == OutOfService || s.Kind == InService {
					got = s.Kind
				}
			}
			if got != c.want {
				t.Errorf("step = %q, want %q", got, c.want)
			}
		})
	}
}
