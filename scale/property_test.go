package scale

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

func decide(t testing.TB, w *worldtest.World) Plan {
	t.Helper()
	p, err := Decide(w.Snapshot(), Policy{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestGrowthOfOnePoolIsExact: for identical pods the nodes asked for are enough
// for every pod said to be helped, and one fewer would not be. The twin divides.
func TestGrowthOfOnePoolIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cpu := rapid.IntRange(1, 8).Draw(rt, "node cpu")
		want := rapid.IntRange(1, 9).Draw(rt, "pod half cpus")
		pods := rapid.IntRange(0, 40).Draw(rt, "pods")
		most := rapid.IntRange(0, 20).Draw(rt, "max")
		w := worldtest.New()
		w.AddPool("workers", fmt.Sprint(cpu), "64Gi", worldtest.Scale(0, int32(most)))
		for i := range pods {
			w.AddPod(fmt.Sprintf("p%02d", i), fmt.Sprintf("%dm", 500*want), "1Gi", worldtest.OwnedBy("ReplicaSet", "web"))
		}
		plan := decide(t, w)

		perNode := 2 * cpu / want
		nodes := 0
		if perNode > 0 {
			nodes = min(most, (pods+perNode-1)/perNode)
		}
		helped := min(pods, nodes*perNode)
		got, gotHelped := 0, 0
		for _, g := range plan.Grows {
			got += g.To - g.From
			gotHelped += len(g.Pods)
		}
		if got != nodes || gotHelped != helped {
			rt.Fatalf("grows by %d for %d pods, want %d for %d\n%s", got, gotHelped, nodes, helped, plan)
		}
	})
}

// anyWorld draws a world of a few pools, nodes and pods.
func anyWorld(rt *rapid.T) *worldtest.World {
	w := worldtest.New()
	pools := rapid.IntRange(1, 3).Draw(rt, "pools")
	for i := range pools {
		lo := rapid.IntRange(0, 3).Draw(rt, "min")
		name := fmt.Sprintf("pool%d", i)
		var opts []func(*v1alpha1.Pool)
		if rapid.IntRange(0, 4).Draw(rt, "off") > 0 {
			opts = append(opts, worldtest.Scale(int32(lo), int32(lo+rapid.IntRange(0, 6).Draw(rt, "spread"))))
		}
		p := w.AddPool(name, rapid.SampledFrom([]string{"2", "4", "8"}).Draw(rt, "cpu"), "32Gi", opts...)
		if rapid.Bool().Draw(rt, "zones") {
			p.Placements = append(p.Placements, worldtest.Placement("AD-2", "4", "32Gi"))
		}
		for j := range rapid.IntRange(0, 5).Draw(rt, "nodes") {
			anyNode(rt, w, name, fmt.Sprintf("%s-n%d", name, j))
		}
	}
	for i := range rapid.IntRange(0, 12).Draw(rt, "pods") {
		var opts []func(*corev1.Pod)
		if n := len(w.Objects.Nodes); n > 0 && rapid.Bool().Draw(rt, "bound") {
			opts = append(opts, worldtest.On(w.Objects.Nodes[rapid.IntRange(0, n-1).Draw(rt, "on")].Name))
		}
		if rapid.IntRange(0, 3).Draw(rt, "owned") > 0 {
			opts = append(opts, worldtest.OwnedBy("ReplicaSet", "web"))
		}
		if rapid.IntRange(0, 4).Draw(rt, "choosy") == 0 {
			opts = append(opts, func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: "AD-2"} })
		}
		w.AddPod(fmt.Sprintf("p%02d", i), rapid.SampledFrom([]string{"250m", "1", "2", "4"}).Draw(rt, "want"), "1Gi", opts...)
	}
	return w
}

func anyNode(rt *rapid.T, w *worldtest.World, pool, name string) {
	switch rapid.IntRange(0, 7).Draw(rt, "kind") {
	case 0:
		w.AddInstance(pool, name, rapid.SampledFrom([]cloudprovider.State{cloudprovider.Creating, cloudprovider.Failed, cloudprovider.Deleting}).Draw(rt, "state"))
	case 1:
		w.AddNode(pool, name, rapid.SampledFrom([]func(*corev1.Node){worldtest.NotReady, worldtest.Gated, worldtest.Cordoned}).Draw(rt, "trouble"))
	default:
		n := w.AddNode(pool, name)
		if rapid.Bool().Draw(rt, "idle") {
			n.Annotations[v1alpha1.AnnotationUnneededSince] = w.Now.Add(-time.Duration(rapid.IntRange(1, 30).Draw(rt, "for")) * time.Minute).Format(time.RFC3339)
		}
	}
}

// TestBoundsAndReasons: whatever the world, no pool passes its bounds, every
// pending pod has one verdict and every no a reason, and the same world gives
// the same plan.
func TestBoundsAndReasons(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(rt)
		s := w.Snapshot()
		plan, err := Decide(s, Policy{})
		if err != nil {
			rt.Fatal(err)
		}
		again, err := Decide(w.Snapshot(), Policy{})
		if err != nil {
			rt.Fatal(err)
		}
		a, _ := json.Marshal(plan)
		b, _ := json.Marshal(again)
		if diff := cmp.Diff(string(a), string(b)); diff != "" {
			rt.Fatalf("two plans for one world: %s", diff)
		}
		leaving := map[string]int{}
		for _, r := range plan.Removals {
			leaving[r.Pool]++
		}
		for _, p := range s.Pools {
			checkBounds(rt, plan, p.Name, p.ScaleSpec(), p.Cloud.Size, leaving[p.Name])
		}
		if len(plan.Verdicts) != len(s.Pending) {
			rt.Fatalf("%d verdicts for %d pods", len(plan.Verdicts), len(s.Pending))
		}
		for _, v := range plan.Verdicts {
			if v.Help == HelpUnknown || (v.Help == HelpNone) != (v.Reason != "") || (v.Help != HelpNone) != (v.Where != "") {
				rt.Fatalf("verdict %+v", v)
			}
		}
	})
}

func checkBounds(rt *rapid.T, plan Plan, pool string, spec *v1alpha1.ScaleSpec, size, leaving int) {
	for _, g := range plan.Grows {
		if g.Pool == pool && (spec == nil || g.To > int(spec.MaxSize) || g.To <= g.From || leaving > 0) {
			rt.Fatalf("spec %+v, %d leaving: %s", spec, leaving, g)
		}
	}
	if leaving > 0 && (spec == nil || size-leaving < int(spec.MinSize)) {
		rt.Fatalf("spec %+v, size %d, %d leave\n%s", spec, size, leaving, plan)
	}
}

// TestNoGrowthIsUndone carries growth out in the model, binds the pods where
// they fit, waits, and looks again: nothing that was added for a pod is let go
// while the pod is there, and nothing more is added for it.
func TestNoGrowthIsUndone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := worldtest.New()
		w.AddPool("workers", "4", "16Gi", worldtest.Scale(0, 30))
		for i := range rapid.IntRange(1, 20).Draw(rt, "pods") {
			size := rapid.SampledFrom([]string{"500m", "1", "3"}).Draw(rt, "cpu")
			w.AddPod(fmt.Sprintf("p%02d", i), size, "1Gi", worldtest.OwnedBy("ReplicaSet", "web"))
		}
		plan := decide(t, w)
		if len(plan.Grows) != 1 {
			rt.Fatalf("want one growth:\n%s", plan)
		}
		for i := range plan.Grows[0].To {
			w.AddInstance("workers", fmt.Sprintf("m%02d", i), cloudprovider.Creating).Created = w.Now
		}
		if second := decide(t, w); len(second.Grows) > 0 {
			rt.Fatalf("grows again while machines launch:\n%s", second)
		}
		w.Cloud.Instances, w.Cloud.Pools[0].Size = map[cloudprovider.PoolID][]cloudprovider.Instance{}, 0
		for i := range plan.Grows[0].To {
			w.AddNode("workers", fmt.Sprintf("m%02d", i))
		}
		bind(rt, w, decide(t, w))
		for i := range w.Objects.Nodes {
			w.Objects.Nodes[i].Annotations[v1alpha1.AnnotationUnneededSince] = w.Now.Add(-time.Hour).Format(time.RFC3339)
		}
		last := decide(t, w)
		for _, r := range last.Removals {
			if r.Reason == Empty {
				rt.Fatalf("a node was added for nothing:\n%s", last)
			}
		}
		if len(last.Grows) > 0 {
			rt.Fatalf("grows for pods that run:\n%s", last)
		}
	})
}

// bind puts each pod on the node that the plan says it fits.
func bind(rt *rapid.T, w *worldtest.World, plan Plan) {
	for _, v := range plan.Verdicts {
		if v.Help != HelpExisting {
			rt.Fatalf("after the nodes joined: %s", v)
		}
		for i := range w.Objects.Pods {
			if podName(&w.Objects.Pods[i]) == v.Pod {
				worldtest.On(v.Where)(&w.Objects.Pods[i])
			}
		}
	}
}
