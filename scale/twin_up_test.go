package scale

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale/fit"
)

// throng draws a cluster of a few pools over one to three zones, with nodes that
// run something, and pods of a few shapes that wait, with any of what the
// scheduler filters by.
func throng(rt *rapid.T) *worldtest.World {
	w := worldtest.New()
	for i := range rapid.IntRange(1, 3).Draw(rt, "pools") {
		name := fmt.Sprintf("pool%d", i)
		cpu := rapid.SampledFrom([]string{"2", "4", "8"}).Draw(rt, "cpu")
		p := w.AddPool(name, cpu, "32Gi", worldtest.Scale(0, int32(rapid.IntRange(1, 12).Draw(rt, "max"))))
		zones := rapid.SampledFrom([][]cloudprovider.Zone{{"AD-1"}, {"AD-2"}, {"AD-1", "AD-2"}, {"AD-1", "AD-2", "AD-3"}}).Draw(rt, "zones")
		tainted, disk := rapid.IntRange(0, 4).Draw(rt, "tainted") == 0, rapid.Bool().Draw(rt, "disk")
		p.Placements = nil
		for _, zone := range zones {
			pl := worldtest.Placement(zone, cpu, "32Gi")
			if tainted {
				pl.Template.Spec.Taints = []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
			}
			if disk {
				pl.Template.Labels["disk"] = "ssd"
			}
			p.Placements = append(p.Placements, pl)
		}
		for j := range rapid.IntRange(0, 3).Draw(rt, "nodes") {
			w.AddNode(name, fmt.Sprintf("%s-n%d", name, j))
		}
		throngDevices(rt, w, name)
	}
	for i := range rapid.IntRange(1, 5).Draw(rt, "shapes") {
		opt, cpu := throngClaims(rt, w, i, throngPod(rt, i)), rapid.SampledFrom([]string{"250m", "500m", "1", "1500m", "3", "9"}).Draw(rt, "want")
		for j := range rapid.IntRange(1, 9).Draw(rt, "replicas") {
			bound := func(*corev1.Pod) {}
			if n := len(w.Objects.Nodes); n > 0 && rapid.IntRange(0, 5).Draw(rt, "bound") == 0 {
				bound = worldtest.On(w.Objects.Nodes[rapid.IntRange(0, n-1).Draw(rt, "on")].Name)
			}
			w.AddPod(fmt.Sprintf("p%d-%d", i, j), cpu, "1Gi", opt, bound)
		}
	}
	return w
}

func throngPod(rt *rapid.T, i int) func(*corev1.Pod) {
	app := rapid.SampledFrom([]string{"a", "b", fmt.Sprint("own", i)}).Draw(rt, "app")
	self := &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	other := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}
	key := rapid.SampledFrom([]string{corev1.LabelHostname, corev1.LabelTopologyZone}).Draw(rt, "key")
	kind := rapid.SampledFrom([]string{"plain", "plain", "spread", "spread", "both", "apart", "together", "after", "port", "disk", "zone"}).Draw(rt, "kind")
	skew, domains := int32(rapid.IntRange(1, 3).Draw(rt, "skew")), rapid.SampledFrom([]*int32{nil, nil, new(int32(2)), new(int32(3))}).Draw(rt, "domains")
	tolerates := rapid.Bool().Draw(rt, "tolerates")
	spread := func(key string) corev1.TopologySpreadConstraint {
		return corev1.TopologySpreadConstraint{MaxSkew: skew, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: self, MinDomains: domains}
	}
	near := func(s *metav1.LabelSelector) *corev1.PodAffinity {
		return &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{LabelSelector: s, TopologyKey: key}}}
	}
	return func(p *corev1.Pod) {
		p.Labels = map[string]string{"app": app}
		if tolerates {
			p.Spec.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists}}
		}
		switch kind {
		case "spread":
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{spread(key)}
		case "both":
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{spread(corev1.LabelTopologyZone), spread(corev1.LabelHostname)}
		case "apart":
			p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: near(self).RequiredDuringSchedulingIgnoredDuringExecution}}
		case "together":
			p.Spec.Affinity = &corev1.Affinity{PodAffinity: near(self)}
		case "after":
			p.Spec.Affinity = &corev1.Affinity{PodAffinity: near(other)}
		case "port":
			p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80, Protocol: corev1.ProtocolTCP}}
		case "disk":
			p.Spec.NodeSelector = map[string]string{"disk": "ssd"}
		case "zone":
			p.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: "AD-2"}
		}
	}
}

// TestPlanIsTheSchedulersOwn replays a plan with nothing but the scheduler's
// plugins. Its new nodes are there from the start, as they will be, and each pod
// that it says is helped goes where it says. Then each pod that is not helped is
// tried on every node, and on a new one of every pool that could still have one.
func TestPlanIsTheSchedulersOwn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := throng(rt).Snapshot()
		d, left, err := remember(s, Policy{}, nil, nil)
		if err != nil {
			rt.Fatal(err)
		}
		d.answerPods(left)
		o, err := fit.NewOracle(s)
		if err != nil {
			rt.Fatal(err)
		}
		for _, p := range d.pools {
			for _, n := range p.Nodes {
				stage(rt, o, n.Object, n.Pods)
			}
		}
		later := map[*corev1.Pod]bool{}
		for _, w := range d.promised {
			later[w.pod] = true
		}
		for _, v := range d.plan.Verdicts {
			if later[v.pod] {
				continue
			}
			if v.Help == HelpExisting || v.Help == HelpJoining || v.Help == HelpKept {
				bindAs(rt, o, v.pod, v.Where)
			}
		}
		for _, p := range d.pools {
			for _, n := range d.grown[p] {
				stage(rt, o, d.sim.Node(n.name), nil)
				if err := o.AddSlices(d.sim.Slices(n.name)); err != nil {
					rt.Fatal(err)
				}
			}
		}
		for _, w := range d.promised {
			bindAs(rt, o, w.pod, w.node)
		}
		if len(d.plan.Verdicts) != len(s.Pending) {
			rt.Fatalf("%d pods wait\n%s", len(s.Pending), d.plan)
		}
		for _, v := range d.plan.Verdicts {
			if v.Help == HelpNone {
				refused(rt, d, o, v)
			}
		}
	})
}

func stage(rt *rapid.T, o *fit.Oracle, n *corev1.Node, pods []*corev1.Pod) {
	if err := o.AddNode(n); err != nil {
		rt.Fatal(err)
	}
	for _, pod := range pods {
		if err := o.AddPod(pod, n.Name); err != nil {
			rt.Fatal(err)
		}
	}
}

// bindAs binds a pod where the plan says, if the scheduler would.
func bindAs(rt *rapid.T, o *fit.Oracle, pod *corev1.Pod, node string) {
	if why, ok := o.Fits(pod, node); !ok {
		rt.Fatalf("the plan has pod %s on %s, the scheduler refuses: %s", pod.Name, node, why)
	}
	if err := o.AddPod(pod, node); err != nil {
		rt.Fatal(err)
	}
}

// refused checks one no: no node takes the pod, and of the pools that could grow
// none has a template that would, unless the plan owns up to it.
func refused(rt *rapid.T, d *decision, o *fit.Oracle, v Verdict) {
	for _, p := range d.pools {
		for _, n := range p.Nodes {
			if why, ok := o.Fits(v.pod, n.Name()); ok {
				rt.Fatalf("%s, but node %s takes it %s", v, n.Name(), why)
			}
		}
		for _, n := range d.grown[p] {
			if _, ok := o.Fits(v.pod, n.name); ok {
				rt.Fatalf("%s, but new node %s takes it", v, n.name)
			}
		}
		if p.room() == 0 || says(v, p.Name, NextLook) {
			continue
		}
		for i, zone := range p.Cloud.Zones() {
			if says(v, p.Name, ZoneNotNext) && p.before([]cloudprovider.Zone{zone}) >= min(p.room(), p.spares()) {
				continue // the cloud would not make it there
			}
			name := fmt.Sprintf("one-more-%s-%d-%s", p.Name, i, v.Pod)
			n := d.sim.Model(grownUp(p.template(zone), nil), nil, p.Slices...)
			if err := d.sim.AddLike(n, name); err != nil {
				rt.Fatal(err)
			}
			twin := copied(rt, d)
			if _, ok := twin.Fits(v.pod, name); ok {
				rt.Fatalf("%s, but a node more of pool %s in %s takes it", v, p.Name, zone)
			}
			d.sim.RemoveNode(name)
		}
	}
}

// says is whether the plan has this reason for the pool.
func says(v Verdict, pool string, why Reason) bool {
	return slices.ContainsFunc(v.Pools, func(r PoolReason) bool { return r.Pool == pool && r.Reason == why })
}

// copied is the scheduler before the state that the plan has come to, devices as
// they have been given.
func copied(rt *rapid.T, d *decision) *fit.Oracle {
	now := *d.s
	now.Pending, now.Devices.Claims = nil, d.sim.Claims()
	o, err := fit.NewOracle(&now)
	if err != nil {
		rt.Fatal(err)
	}
	for _, name := range d.sim.Names() {
		stage(rt, o, d.sim.Node(name), nil)
		if err := o.AddSlices(d.sim.Slices(name)); err != nil {
			rt.Fatal(err)
		}
		for _, pod := range d.sim.Pods(name) {
			if err := o.AddBound(pod, name); err != nil {
				rt.Fatal(err)
			}
		}
	}
	return o
}

// TestOrderDoesNotMatter shuffles what the API server and the cloud list; the
// plan is the same to the letter, however often it is made.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := throng(rt)
		first := planText(rt, w.Snapshot())
		if diff := cmp.Diff(first, planText(rt, w.Snapshot())); diff != "" {
			rt.Fatalf("two plans for one world: %s", diff)
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		mix(rng, w.Objects.Pods)
		mix(rng, w.Objects.Nodes)
		mix(rng, w.Objects.Pools)
		mix(rng, w.Cloud.Pools)
		for _, list := range w.Cloud.Instances {
			mix(rng, list)
		}
		if diff := cmp.Diff(first, planText(rt, w.Snapshot())); diff != "" {
			rt.Fatalf("the order of lists matters: %s", diff)
		}
	})
}

func mix[T any](rng *rand.Rand, list []T) {
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

func planText(rt *rapid.T, s *world.Snapshot) string {
	plan, err := Decide(s, Policy{})
	if err != nil {
		rt.Fatal(err)
	}
	text, err := json.MarshalIndent(plan, "", " ")
	if err != nil {
		rt.Fatal(err)
	}
	return string(text)
}
