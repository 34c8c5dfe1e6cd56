package cycle

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

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
