package cycle

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// Of what nobody can tell what it runs nobody can say that it was replaced.
func TestARunWaitsToHearWhatItsNodesRun(t *testing.T) {
	for name, c := range map[string]struct {
		image   string
		change  func(*worldtest.World, *v1alpha1.CycleStatus)
		outcome string // "" while it waits
		message string
	}{
		"told":     {image: "new", outcome: Succeeded, message: "0 nodes replaced"},
		"not told": {change: func(*worldtest.World, *v1alpha1.CycleStatus) {}},
		"never told": {change: func(w *worldtest.World, run *v1alpha1.CycleStatus) {
			run.StartedAt = metav1.NewTime(w.Now.Add(-10 * time.Minute))
		}, outcome: Succeeded, message: "0 nodes replaced; Compute does not tell which image these run: n1"},
		"a turn-over goes by age": {change: func(w *worldtest.World, run *v1alpha1.CycleStatus) {
			run.Request = v1alpha1.AnnotationCycle + "=now"
			run.StartedAt = metav1.NewTime(w.Now.Add(-48 * time.Hour))
		}, outcome: Succeeded, message: "0 nodes replaced"},
		"OKE goes by releases": {change: func(_ *worldtest.World, run *v1alpha1.CycleStatus) {
			run.Request, run.Strategy = v1alpha1.AnnotationCycle+"=now", v1alpha1.StrategyDelegate
		}},
	} {
		w, p, policy := upgrading()
		p.Annotations[v1alpha1.AnnotationCycle] = "now"
		run := p.Status.Cycle
		run.Stale, run.StartedAt = 0, metav1.NewTime(w.Now.Add(-time.Minute))
		instances := w.Cloud.Instances[worldtest.PoolID("workers")]
		for i := range instances {
			w.Objects.Nodes[i].Status.NodeInfo.KubeletVersion = "v1.34.2"
			instances[i].Release = cloudprovider.Release{Kubernetes: "v1.34.2", Image: c.image}
		}
		if c.change != nil {
			c.change(w, run)
		}
		if _, cycle := cycleValue(run.Request); cycle {
			delete(p.Annotations, v1alpha1.AnnotationUpgradeTo)
		}
		r := Decide(seen(w), policy).Pools[0]
		switch {
		case c.outcome == "" && (r.Cycle == nil || r.Wait == nil || r.Wait.Reason != Finishing):
			t.Errorf("%s: %+v, waits for %v", name, r.Last, r.Wait)
		case c.outcome != "" && (r.Last == nil || r.Last.Outcome != c.outcome || r.Last.Message != c.message):
			t.Errorf("%s: %+v, %+v", name, r.Cycle, r.Last)
		}
	}
}
