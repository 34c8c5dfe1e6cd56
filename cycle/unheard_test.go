package cycle

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
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
			stoodFor(p)
			pools, silent := w.Cloud.Pools, errors.New("silent")
			for what, hush := range map[string]func(){
				"the cloud":             func() { w.Cloud.Err = silent },
				"one pool of it":        func() { pools[0].Health.Err = silent },
				"the pool's machines":   func() { pools[0].Health.Err, w.Cloud.Instances = silent, nil },
				"since before we began": func() { w.Cloud = cloudprovider.Cloud{Err: silent} },
			} {
				cloud := w.Cloud
				hush()
				plan := Decide(w.Snapshot(), Policy{})
				w.Cloud, pools[0].Health.Err = cloud, nil
				steps := plan.Steps
				if r := plan.Pools[0].Wait; r == nil || r.Reason != CloudUnavailable {
					t.Errorf("%s is silent: waits for %v", what, r)
				}
				if c.step == "" && len(steps) == 0 {
					continue
				}
				if len(steps) != 1 || steps[0].Kind != c.step || steps[0].Node != n.Name || steps[0].Reason != CloudUnavailable || steps[0].Tries != 0 || steps[0].Pool != p.Name {
					t.Errorf("%s is silent: %v, want %q", what, steps, c.step)
				}
			}
		})
	}
}

// stoodFor is the Pool as the mirror leaves it whose node pool the cloud has named.
func stoodFor(p *v1alpha1.Pool) {
	p.Status.NodePoolID = p.Spec.NodePoolID
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}
}

// A process that has never heard of the cloud gives back what is its Pool's beyond
// doubt, and nothing else; and what a person has cordoned is nobody's to give back.
func TestWhatIsNotThePoolsStaysInAnOutage(t *testing.T) {
	for name, change := range map[string]func(*corev1.Node, *v1alpha1.Pool){
		"its kubelet is silent":           func(n *corev1.Node, _ *v1alpha1.Pool) { worldtest.NotReady(n) },
		"another pool's":                  func(n *corev1.Node, _ *v1alpha1.Pool) { n.Annotations[v1alpha1.AnnotationNodePoolID] = "another" },
		"no machine's":                    func(n *corev1.Node, _ *v1alpha1.Pool) { n.Spec.ProviderID = "" },
		"a person's":                      func(n *corev1.Node, _ *v1alpha1.Pool) { delete(n.Annotations, v1alpha1.AnnotationDisruption) },
		"marked, and nobody can read how": func(n *corev1.Node, _ *v1alpha1.Pool) { n.Annotations[v1alpha1.AnnotationDisruption] = "{" },
		"the Pool never stood for one":    func(_ *corev1.Node, p *v1alpha1.Pool) { p.Status.Conditions = nil },
		"the Pool names another since":    func(_ *corev1.Node, p *v1alpha1.Pool) { p.Spec.NodePoolID = "ocid1.nodepool.oc1..another" },
	} {
		t.Run(name, func(t *testing.T) {
			w, p := gated()
			n := &w.Objects.Nodes[0]
			drainingSince(w, n, time.Hour)
			stoodFor(p)
			w.Cloud = cloudprovider.Cloud{Err: errors.New("silent")}
			if steps := Decide(w.Snapshot(), Policy{}).Steps; len(steps) != 1 || steps[0].Kind != Skip {
				t.Fatalf("unchanged: %v", steps)
			}
			change(n, p)
			if steps := Decide(w.Snapshot(), Policy{}).Steps; len(steps) != 0 {
				t.Error(steps)
			}
		})
	}
}
