package scale

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale/fit"
)

// idleWorld draws a cluster with room in it, whose pods are of every kind that
// scale-down has to place: plain ones and all that go to the real plugins.
func idleWorld(rt *rapid.T) *worldtest.World {
	w := worldtest.New()
	tellDevices(w, "gpu")
	for i := range rapid.IntRange(1, 2).Draw(rt, "pools") {
		name := fmt.Sprintf("pool%d", i)
		p := w.AddPool(name, "4", "16Gi", worldtest.Scale(int32(rapid.IntRange(0, 2).Draw(rt, "min")), 20), func(o *v1alpha1.Pool) {
			o.Spec.Scale.ZoneLossHeadroom = rapid.IntRange(0, 4).Draw(rt, "headroom") == 0
		})
		p.Placements = append(p.Placements, worldtest.Placement("AD-2", "4", "16Gi"))
		for j := range rapid.IntRange(1, 6).Draw(rt, "nodes") {
			n := w.AddNode(name, fmt.Sprintf("%s-n%d", name, j))
			publish(w, n.Name, rapid.SampledFrom([]int{0, 2, 4}).Draw(rt, "devices"))
			if rapid.IntRange(0, 5).Draw(rt, "taint") == 0 {
				n.Spec.Taints = []corev1.Taint{{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}}
			}
			n.Annotations[v1alpha1.AnnotationUnneededSince] = w.Now.Add(-time.Duration(rapid.IntRange(1, 40).Draw(rt, "idle")) * time.Minute).Format(time.RFC3339)
		}
	}
	for i := range rapid.IntRange(0, 24).Draw(rt, "pods") {
		on := w.Objects.Nodes[rapid.IntRange(0, len(w.Objects.Nodes)-1).Draw(rt, "on")].Name
		app := rapid.SampledFrom([]string{"web", "db", "job"}).Draw(rt, "app")
		w.AddPod(fmt.Sprintf("p%02d", i), rapid.SampledFrom([]string{"100m", "500m", "1"}).Draw(rt, "cpu"), "256Mi",
			worldtest.On(on), worldtest.OwnedBy("ReplicaSet", app), worldtest.Labels[*corev1.Pod]("app", app), mover(rt, w, app))
	}
	for i := range rapid.IntRange(0, 3).Draw(rt, "waiting") {
		w.AddPod(fmt.Sprintf("w%02d", i), "500m", "256Mi", worldtest.OwnedBy("ReplicaSet", "late"), mover(rt, w, "late"))
	}
	for _, app := range []string{"web", "db"} {
		if rapid.Bool().Draw(rt, "pdb") {
			w.Objects.PDBs = append(w.Objects.PDBs, policyv1.PodDisruptionBudget{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: app},
				Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
				Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: int32(rapid.IntRange(0, 3).Draw(rt, "allowed"))},
			})
		}
	}
	return w
}

// mover gives a pod one of the traits that decide where it may go.
func mover(rt *rapid.T, w *worldtest.World, app string) func(*corev1.Pod) {
	trait := rapid.IntRange(0, 14).Draw(rt, "trait")
	if trait >= 13 {
		return devices(w, fmt.Sprint("for", len(w.Objects.Pods)), words{"devices": "gpu:1", "holds": fmt.Sprint("gpu-", len(w.Objects.Pods)%4)})
	}
	return func(p *corev1.Pod) {
		self := &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
		switch trait {
		case 0:
			crowd(p, "alone", self)
		case 1:
			crowd(p, "spread", self)
		case 2:
			crowd(p, "zonespread", self)
		case 3:
			p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80, ContainerPort: 80, Protocol: corev1.ProtocolTCP}}
		case 4:
			p.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: "AD-2"}
		case 5:
			p.Spec.Tolerations = []corev1.Toleration{{Key: "team", Operator: corev1.TolerationOpExists}}
		case 6:
			p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
					{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"AD-1"}},
				}}},
			}}}
		case 7:
			p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
				{LabelSelector: self, TopologyKey: corev1.LabelTopologyZone},
			}}}
		}
	}
}

// TestRemovalsReplay: what scale-down says could be emptied can be. The twin has
// no classes, no counts and no order of its own: it takes node after node away
// and asks the scheduler's plugins for each pod, one after the other, whether it
// may go where the plan says. And no budget is spent beyond what it allows.
func TestRemovalsReplay(t *testing.T) {
	moves, choosy, devised := 0, 0, 0
	check := func(rt *rapid.T) {
		w := idleWorld(rt)
		s := w.Snapshot()
		policy := Policy{UnneededFor: time.Second, MaxDrains: 1000, MaxEmpty: 1000, YoungNode: time.Second}
		plan, err := Decide(s, policy)
		if err != nil {
			rt.Fatal(err)
		}
		d := &decision{s: s, p: policy.withDefaults(), grown: map[*pool][]newNode{}}
		if d.sim, err = fit.New(s); err != nil {
			rt.Fatal(err)
		}
		for _, wp := range s.Pools {
			d.pools = append(d.pools, newPool(wp))
		}
		d.furnish()
		for _, v := range plan.Verdicts {
			if v.Help == HelpExisting {
				if err := d.sim.AddPod(v.pod, v.Where); err != nil {
					rt.Fatal(err)
				}
			}
		}
		gone := map[string]bool{}
		for _, e := range plan.emptied {
			d.sim.RemoveNode(e.node)
			gone[e.node] = true
			for _, m := range e.moves {
				if why, ok := d.sim.Fits(unbound(m.Pod), m.To); !ok || gone[m.To] {
					rt.Fatalf("pod %s of node %s cannot go to %s: %s\n%s", m.Pod.Name, e.node, m.To, why, plan)
				}
				if err := d.sim.AddPod(unbound(m.Pod), m.To); err != nil {
					rt.Fatal(err)
				}
				moves++
				if len(m.Pod.Spec.ResourceClaims) > 0 {
					devised++
				}
				if m.Pod.Spec.Affinity != nil || len(m.Pod.Spec.TopologySpreadConstraints) > 0 {
					choosy++
				}
			}
		}
		for _, r := range plan.Removals {
			if !gone[r.Node] {
				rt.Fatalf("node %s goes and was not emptied:\n%s", r.Node, plan)
			}
		}
		checkBudgets(rt, w, plan)
	}
	// Claims are rare among what is drawn: more is drawn until there were some.
	for range 8 {
		if rapid.Check(t, check); devised >= 5 || t.Failed() {
			break
		}
	}
	t.Logf("%d moves replayed, %d of pods with affinity or spread, %d with devices", moves, choosy, devised)
	if moves < 50 || choosy < 5 || devised < 5 {
		t.Errorf("%d moves, %d choosy: the test proves nothing", moves, choosy)
	}
}

func checkBudgets(rt *rapid.T, w *worldtest.World, plan Plan) {
	for _, pdb := range w.Objects.PDBs {
		selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
		if err != nil {
			rt.Fatal(err)
		}
		spent := 0
		for _, e := range plan.emptied {
			for _, m := range e.moves {
				if selector.Matches(labels.Set(m.Pod.Labels)) {
					spent++
				}
			}
		}
		if spent > int(pdb.Status.DisruptionsAllowed) {
			rt.Fatalf("budget %s allows %d disruptions, the plan spends %d\n%s", pdb.Name, pdb.Status.DisruptionsAllowed, spent, plan)
		}
	}
}
