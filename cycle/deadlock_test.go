package cycle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// drainingSince puts a node of the world under a drain.
func drainingSince(w *worldtest.World, n *corev1.Node, ago time.Duration) {
	since := w.Now.Add(-ago)
	kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseCycle, Reason: string(Outdated), Since: since, DrainStarted: &since}))
}

// stranded is a pod of a budget that the scheduler finds no place for, and that
// could run on one node only.
func stranded(w *worldtest.World, name, app, node string, ago time.Duration) {
	p := w.AddPod(name, "1", "1Gi", worldtest.Labels[*corev1.Pod]("app", app))
	p.Spec.NodeSelector = map[string]string{corev1.LabelHostname: node}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		LastTransitionTime: metav1.NewTime(w.Now.Add(-ago))}}
}

// pdb is a budget over the pods of an app.
func pdb(w *worldtest.World, app string) string {
	b := policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: app},
		Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}}
	w.Objects.PDBs = append(w.Objects.PDBs, b)
	return b.Namespace + "/" + b.Name
}

// couple is two nodes that are emptied at once; whatever the pods of the first
// wait for could run on the second only, and the other way round.
func couple(waited time.Duration) (*world.Snapshot, map[types.UID]drain.Progress) {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi")
	var nodes []*corev1.Node
	for i, name := range []string{"n1", "n2"} {
		w.AddNode("workers", name, worldtest.Labels[*corev1.Node](corev1.LabelHostname, name))
		n := &w.Objects.Nodes[i]
		drainingSince(w, n, time.Duration(10-i)*time.Minute)
		nodes = append(nodes, n)
	}
	p, q := pdb(w, "p"), pdb(w, "q")
	stranded(w, "p-2", "p", "n2", waited)
	stranded(w, "q-1", "q", "n1", waited)
	return w.Snapshot(), map[types.UID]drain.Progress{
		nodes[0].UID: {Blocked: []drain.Block{{Pod: "default/p-1", Reason: drain.UnhealthyPods, PDB: p}}},
		nodes[1].UID: {Blocked: []drain.Block{{Pod: "default/q-2", Reason: drain.UnhealthyPods, PDB: q}}},
	}
}

func TestTheYoungerOfTwoDrainsGivesWay(t *testing.T) {
	s, drains := couple(time.Minute)
	younger := s.Pools[0].Nodes[1]
	got := deadlocks(s, drains)
	said := got[younger.Object.UID]
	if len(got) != 1 || !strings.Contains(said, "node n1 waits for pod default/p-2 of PodDisruptionBudget default/p, which could run on node n2") {
		t.Fatalf("got %v, want node n2 with the ring in words", got)
	}
	if s, drains := couple(deadlockGrace / 2); len(deadlocks(s, drains)) != 0 {
		t.Error("the scheduler had no time to find another place")
	}
	delete(drains, s.Pools[0].Nodes[0].Object.UID)
	if got := deadlocks(s, drains); len(got) != 0 {
		t.Errorf("one that waits for one that does not is no deadlock: %v", got)
	}
}

// The rings that are found are those of a plain search: a node that can be
// reached from itself.
func TestRingsAgainstATwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 7).Draw(t, "nodes")
		edge := make([][]bool, n)
		nodes := make([]*draining, n)
		for i := range nodes {
			nodes[i] = &draining{node: &world.Node{Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: string(rune('a' + i))}}}, waits: map[*draining]string{}}
			edge[i] = make([]bool, n)
		}
		for i := range n {
			for j := range n {
				if i != j && rapid.Float64Range(0, 1).Draw(t, "edge") < 0.3 {
					edge[i][j] = true
					nodes[i].waits[nodes[j]] = "x"
				}
			}
		}
		for k := range n { // Warshall
			for i := range n {
				for j := range n {
					edge[i][j] = edge[i][j] || edge[i][k] && edge[k][j]
				}
			}
		}
		for i, a := range nodes {
			ring := a.ring()
			if (len(ring) > 0) != edge[i][i] {
				t.Fatalf("node %d: ring %v, on a ring %v", i, len(ring), edge[i][i])
			}
			for k := range ring {
				if ring[k].waits[ring[(k+1)%len(ring)]] == "" {
					t.Fatalf("node %d: the ring has no edge at %d", i, k)
				}
			}
		}
	})
}

// noDeadlock draws drains that wait for each other and lets decisions follow each
// other: as long as there is a ring one of it gives way, one at a time, and nobody
// gives way when there is none.
func noDeadlock(t *rapid.T) {
	n := rapid.IntRange(2, 6).Draw(t, "nodes")
	waits := make([][]bool, n)
	for i := range n {
		waits[i] = make([]bool, n)
		for j := range n {
			waits[i][j] = i != j && rapid.Float64Range(0, 1).Draw(t, "edge") < 0.35
		}
	}
	gone := make([]bool, n) // those that have given way
	for tick := 0; ; tick++ {
		ring := ringed(waits, gone)
		given := -1
		plan := Decide(ringWorld(n, waits, gone))
		for _, s := range plan.Steps {
			if s.Kind == Skip && s.Reason == PeerDeadlock {
				if given >= 0 {
					t.Fatalf("NO-DEADLOCK: two give way at once:\n%s", words(plan))
				}
				given = int(s.Node[1] - '0')
			}
		}
		if given < 0 && !ring {
			return
		}
		if given < 0 || !ring || gone[given] || tick > n {
			t.Fatalf("NO-DEADLOCK: tick %d: %d gives way, a ring stands: %v\n%s", tick, given, ring, words(plan))
		}
		gone[given] = true // what waited for it runs now
	}
}

// ringed is whether some node that is still being emptied waits for itself.
func ringed(waits [][]bool, gone []bool) bool {
	n := len(waits)
	reach := make([][]bool, n)
	for i := range n {
		reach[i] = make([]bool, n)
		for j := range n {
			reach[i][j] = waits[i][j] && !gone[i] && !gone[j]
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
			}
		}
	}
	for i := range n {
		if reach[i][i] {
			return true
		}
	}
	return false
}

// ringWorld is a run in which node i is being emptied and lacks, for each node j
// that it waits for, a pod that could run on j only.
func ringWorld(n int, waits [][]bool, gone []bool) (*world.Snapshot, Policy) {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi")
	p := &w.Objects.Pools[0]
	p.Annotations = map[string]string{v1alpha1.AnnotationCycle: "now"}
	p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand}
	p.Status.Cycle = &v1alpha1.CycleStatus{Request: v1alpha1.AnnotationCycle + "=now", StartedAt: metav1.NewTime(w.Now.Add(-30 * time.Minute)), Desired: int32(n)}
	drains := map[types.UID]drain.Progress{}
	for i := range n {
		name := fmt.Sprintf("n%d", i)
		w.AddNode("workers", name, worldtest.Labels[*corev1.Node](corev1.LabelHostname, name))
		list := w.Cloud.Instances[worldtest.PoolID("workers")]
		list[len(list)-1].Created = w.Now.Add(-240 * time.Hour)
	}
	for i := range n {
		if gone[i] {
			continue
		}
		node, app := &w.Objects.Nodes[i], fmt.Sprintf("app%d", i)
		drainingSince(w, node, time.Duration(10+i)*time.Minute)
		drains[node.UID] = drain.Progress{Left: 1, Blocked: []drain.Block{{Pod: "default/" + app, Reason: drain.UnhealthyPods, PDB: pdb(w, app)}}}
		for j := range n {
			if waits[i][j] && !gone[j] {
				stranded(w, fmt.Sprintf("%s-on-%d", app, j), app, fmt.Sprintf("n%d", j), time.Minute)
			}
		}
	}
	return w.Snapshot(), Policy{Drains: drains}
}
