package scale

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// settling carries plans out in the model until nothing is left to do, and
// counts what was done.
type settling struct {
	*worldtest.World
	rt            *rapid.T
	serial        int
	grown, shrunk int
	last          []string // plans, the newest last
}

// TestPlansSettle: with pods of all kinds, pools of different prices and
// consolidation, carrying out plan after plan comes to rest. Nodes that are
// added for pods are not removed for the same pods, and a node that was removed
// is not asked for again.
func TestPlansSettle(t *testing.T) {
	shrunk := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := &settling{World: worldtest.New(), rt: rt}
		for i, price := range []float64{0.40, 0.25} {
			name := fmt.Sprintf("pool%d", i)
			p := w.AddPool(name, []string{"8", "4"}[i], "32Gi", worldtest.Scale(0, 20), func(o *v1alpha1.Pool) {
				o.Spec.Scale.Down = &v1alpha1.ScaleDownSpec{Consolidate: rapid.Bool().Draw(rt, "consolidate")}
			})
			p.Placements[0].Price = price
			if rapid.Bool().Draw(rt, "zones") {
				p.Placements = append(p.Placements, worldtest.Placement("AD-2", []string{"8", "4"}[i], "32Gi"))
				p.Placements[1].Price = price
			}
			for range rapid.IntRange(0, 5).Draw(rt, "nodes") {
				w.boot(name)
			}
		}
		for i := range rapid.IntRange(1, 25).Draw(rt, "pods") {
			app := rapid.SampledFrom([]string{"web", "db", "job"}).Draw(rt, "app")
			w.AddPod(fmt.Sprintf("p%02d", i), rapid.SampledFrom([]string{"250m", "1", "3"}).Draw(rt, "cpu"), "256Mi",
				worldtest.OwnedBy("ReplicaSet", app), worldtest.Labels[*corev1.Pod]("app", app), mover(rt, w.World, app))
		}
		for step := 0; w.step(); step++ {
			if step > 30 {
				rt.Fatalf("no rest after %d plans: %d nodes were added, %d removed\n%s", step, w.grown, w.shrunk, strings.Join(w.last[step-4:], "\n"))
			}
		}
		shrunk += w.shrunk
	})
	if shrunk == 0 {
		t.Error("no node was ever removed: the test proves nothing")
	}
}

// step looks, and does what the plan says; false when that is nothing. An hour
// passes, so that every wait is over.
func (w *settling) step() bool {
	w.Now = w.Now.Add(time.Hour)
	w.Cloud.Observed = w.Now
	s := w.Snapshot()
	plan, err := Decide(s, Policy{DelayAfterAdd: time.Second})
	if err != nil {
		w.rt.Fatal(err)
	}
	w.last = append(w.last, plan.String())
	places := map[string]string{}
	for _, v := range plan.Verdicts {
		if v.Help == HelpExisting {
			places[v.Pod] = v.Where
		}
	}
	gone := map[string]bool{}
	for _, r := range plan.Removals {
		gone[r.Node] = true
	}
	for _, e := range plan.emptied {
		for _, m := range e.moves {
			if gone[e.node] {
				places[podName(m.Pod)] = m.To
			}
		}
	}
	for i := range w.Objects.Pods {
		p := &w.Objects.Pods[i]
		if to := places[podName(p)]; to != "" {
			worldtest.On(to)(p)
		}
	}
	w.timers(plan)
	w.remove(gone)
	for _, g := range plan.Grows {
		for range g.To - g.From {
			w.boot(g.Pool)
			w.grown++
		}
	}
	return plan.Actions() > 0 || len(places) > 0
}

func (w *settling) timers(plan Plan) {
	for _, t := range plan.Timers {
		for i := range w.Objects.Nodes {
			if n := &w.Objects.Nodes[i]; n.Name == t.Node {
				t.set(n)
			}
		}
	}
}

// boot makes a node of the pool, where the cloud has the fewest.
func (w *settling) boot(pool string) {
	w.serial++
	n := w.AddNode(pool, fmt.Sprintf("m%03d", w.serial))
	n.CreationTimestamp = metav1.NewTime(w.Now)
}

// remove takes nodes away as the cycle would, once their pods are elsewhere.
func (w *settling) remove(gone map[string]bool) {
	kept := w.Objects.Nodes[:0]
	for _, n := range w.Objects.Nodes {
		if !gone[n.Name] {
			kept = append(kept, n)
			continue
		}
		w.shrunk++
		for i := range w.Cloud.Pools {
			p := &w.Cloud.Pools[i]
			var list []cloudprovider.Instance
			for _, in := range w.Cloud.Instances[p.ID] {
				if in.Name == n.Name {
					p.Size--
					continue
				}
				list = append(list, in)
			}
			w.Cloud.Instances[p.ID] = list
		}
	}
	w.Objects.Nodes = kept
	for i := range w.Objects.Pods {
		if p := &w.Objects.Pods[i]; gone[p.Spec.NodeName] {
			w.rt.Fatalf("pod %s was left on node %s", p.Name, p.Spec.NodeName)
		}
	}
}
