package cycle

import (
	"errors"
	"testing"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// While the cloud does not answer, a drain ends in its time all the same, and that is
// all that happens.
func TestDrainsEndWhileTheCloudIsSilent(t *testing.T) {
	for name, c := range map[string]struct {
		minutes int // since its drain began
		change  func(*worldtest.World, *v1alpha1.Pool, *kube.Mark)
		step    Kind
	}{
		"in time":                  {minutes: 29},
		"over time":                {minutes: 30, step: Skip},
		"never begun":              {minutes: 30, step: Skip, change: func(_ *worldtest.World, _ *v1alpha1.Pool, m *kube.Mark) { m.DrainStarted = nil }},
		"taken by scale-down":      {minutes: 30, step: Skip, change: func(_ *worldtest.World, _ *v1alpha1.Pool, m *kube.Mark) { m.Cause = kube.CauseScaleDown }},
		"to be repaired":           {minutes: 30, change: func(_ *worldtest.World, _ *v1alpha1.Pool, m *kube.Mark) { m.Cause = kube.CauseRepair }},
		"empty":                    {minutes: 30, change: func(w *worldtest.World, _ *v1alpha1.Pool, m *kube.Mark) { m.Drained = &w.Now }},
		"its machine is restarted": {minutes: 30, change: func(w *worldtest.World, _ *v1alpha1.Pool, m *kube.Mark) { m.Acted = &w.Now }},
		"paused": {minutes: 30, change: func(_ *worldtest.World, p *v1alpha1.Pool, _ *kube.Mark) {
			p.Annotations[v1alpha1.AnnotationPause] = "true"
		}},
		"never given up": {minutes: 30, change: func(_ *worldtest.World, p *v1alpha1.Pool, _ *kube.Mark) {
			p.Spec.Cycle.Drain = &v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainForce}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := gated()
			n := &w.Objects.Nodes[0]
			drainingSince(w, n, time.Duration(c.minutes)*time.Minute)
			if c.change != nil {
				m, _ := kube.MarkOf(n)
				c.change(w, p, m)
				kube.SetMark(n, *m)
			}
			w.AddPod("a", "1", "1Gi", worldtest.On(n.Name), worldtest.OwnedBy("ReplicaSet", "a"))
			for _, whole := range []bool{true, false} { // the cloud, or one pool of it
				if w.Cloud.Err, w.Cloud.Pools[0].Health.Err = errors.New("silent"), nil; !whole {
					w.Cloud.Err, w.Cloud.Pools[0].Health.Err = nil, w.Cloud.Err
				}
				plan := Decide(w.Snapshot(), Policy{})
				steps := plan.Steps
				if r := plan.Pools[0].Wait; r == nil || r.Reason != CloudUnavailable {
					t.Errorf("waits for %v", r)
				}
				if c.step == "" && len(steps) == 0 {
					continue
				}
				if len(steps) != 1 || steps[0].Kind != c.step || steps[0].Node != n.Name || steps[0].Reason != CloudUnavailable || steps[0].Tries != 0 {
					t.Errorf("%v, want %q", steps, c.step)
				}
			}
		})
	}
}
