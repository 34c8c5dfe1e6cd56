package fit_test

import (
	"fmt"
	"slices"
	"sort"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale/fit"
)

// anyPod draws a pod with any mixture of what the scheduler filters by.
func anyPod(rt *rapid.T) podOpt {
	chance := func(what string, one int) bool { return rapid.IntRange(1, one).Draw(rt, what) == 1 }
	app := rapid.SampledFrom([]string{"a", "b", "c"})
	selector := func(what string) *metav1.LabelSelector {
		switch rapid.IntRange(0, 9).Draw(rt, what) {
		case 0:
			return nil
		case 1:
			return &metav1.LabelSelector{}
		case 2:
			return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{app.Draw(rt, "not")}}}}
		case 3:
			return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpExists}}}
		}
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app.Draw(rt, "app of "+what)}}
	}
	key := rapid.SampledFrom([]string{corev1.LabelHostname, corev1.LabelTopologyZone, corev1.LabelTopologyZone, "rack"})
	term := func(what string) corev1.PodAffinityTerm {
		t := corev1.PodAffinityTerm{LabelSelector: selector(what), TopologyKey: key.Draw(rt, "key of "+what)}
		switch rapid.IntRange(0, 7).Draw(rt, "spaces of "+what) {
		case 0:
			t.NamespaceSelector = &metav1.LabelSelector{}
		case 1:
			t.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "x"}}
		case 2:
			t.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: metav1.LabelSelectorOpDoesNotExist}}}
		case 3:
			t.Namespaces = []string{"other"}
		}
		return t
	}
	labels := map[string]string{"app": app.Draw(rt, "app")}
	if chance("tier", 3) {
		labels["tier"] = rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "tier value")
	}
	space := rapid.SampledFrom([]string{"default", "default", "other", "unknown"}).Draw(rt, "namespace")
	affinity := &corev1.Affinity{}
	if chance("affine", 4) {
		affinity.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term("with")}}
		if chance("twice affine", 3) {
			affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution = append(affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, term("with too"))
		}
	}
	if chance("apart", 3) {
		affinity.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term("apart")}}
	}
	var spread []corev1.TopologySpreadConstraint
	for i := range rapid.IntRange(-2, 2).Draw(rt, "spreads") {
		policy := func(what string) *corev1.NodeInclusionPolicy {
			return rapid.SampledFrom([]*corev1.NodeInclusionPolicy{nil, new(corev1.NodeInclusionPolicyHonor), new(corev1.NodeInclusionPolicyIgnore)}).Draw(rt, what)
		}
		c := corev1.TopologySpreadConstraint{
			MaxSkew: int32(rapid.IntRange(1, 2).Draw(rt, "skew")), TopologyKey: key.Draw(rt, "spread key"), LabelSelector: selector(fmt.Sprint("spread", i)),
			WhenUnsatisfiable:  rapid.SampledFrom([]corev1.UnsatisfiableConstraintAction{corev1.DoNotSchedule, corev1.DoNotSchedule, corev1.ScheduleAnyway}).Draw(rt, "or"),
			NodeAffinityPolicy: policy("affinity policy"), NodeTaintsPolicy: policy("taints policy"),
		}
		if chance("min domains", 3) {
			c.MinDomains = new(int32(rapid.IntRange(1, 4).Draw(rt, "domains")))
		}
		if chance("match label keys", 3) {
			c.MatchLabelKeys = []string{"tier"}
		}
		spread = append(spread, c)
	}
	var wish map[string]string
	if chance("node selector", 4) {
		wish = map[string]string{rapid.SampledFrom([]string{"disk", corev1.LabelTopologyZone, corev1.LabelHostname}).Draw(rt, "wish"): rapid.SampledFrom([]string{"ssd", "AD-1", "n1"}).Draw(rt, "wished")}
	}
	if chance("node affinity", 6) {
		req := corev1.NodeSelectorRequirement{Key: "disk", Operator: corev1.NodeSelectorOpDoesNotExist}
		t := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{req}}
		if chance("by name", 3) {
			t = corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{"n0"}}}}
		}
		affinity.NodeAffinity = &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{t}}}
	}
	tolerates, hostPort := chance("tolerates", 3), 0
	if chance("host port", 5) {
		hostPort = rapid.IntRange(80, 81).Draw(rt, "port")
	}
	ip := rapid.SampledFrom([]string{"", "10.0.0.1", "10.0.0.2"}).Draw(rt, "ip")
	gpu, leaving := chance("gpu", 6), chance("terminating", 12)
	var volume string
	if chance("claim", 6) {
		volume = rapid.SampledFrom([]string{"once", "shared", "missing"}).Draw(rt, "claim name")
	}
	grown := chance("resized", 8)
	return func(p *corev1.Pod) {
		p.Namespace, p.Labels, p.Spec.Affinity, p.Spec.TopologySpreadConstraints, p.Spec.NodeSelector = space, labels, affinity, spread, wish
		if tolerates {
			p.Spec.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists}}
		}
		if hostPort > 0 {
			p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: int32(hostPort), HostIP: ip}}
		}
		if gpu {
			worldtest.Requests("nvidia.com/gpu", "1")(p)
		}
		if leaving {
			p.DeletionTimestamp = &metav1.Time{Time: worldtest.Now}
		}
		if volume != "" {
			claim(volume)(p)
		}
		if grown {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", Resources: &corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1500m")},
			}}}
		}
	}
}

// model is a cluster as a list, from which an Oracle is made afresh.
type model struct {
	nodes map[string]*corev1.Node
	on    map[string][]*corev1.Pod
}

func (m *model) clone() *model {
	out := &model{map[string]*corev1.Node{}, map[string][]*corev1.Pod{}}
	for name, n := range m.nodes {
		out.nodes[name], out.on[name] = n, slices.Clone(m.on[name])
	}
	return out
}

func anyTwinNode(rt *rapid.T, name string) *corev1.Node {
	zone := rapid.SampledFrom([]string{"AD-1", "AD-2", "AD-3"}).Draw(rt, "zone")
	place := worldtest.Placement(cloudprovider.Zone(zone), rapid.SampledFrom([]string{"2", "4", "8"}).Draw(rt, "cpu"), "16Gi")
	n := &place.Template
	n.Name, n.Labels[corev1.LabelHostname] = name, name
	switch rapid.IntRange(0, 5).Draw(rt, "kind of node") {
	case 0:
		delete(n.Labels, corev1.LabelTopologyZone)
	case 1:
		n.Labels["disk"], n.Labels["rack"] = "ssd", "r1"
	case 2:
		n.Spec.Taints = []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
	case 3:
		n.Spec.Unschedulable = rapid.Bool().Draw(rt, "cordoned")
	case 4:
		n.Labels["rack"] = "r2"
		n.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse("1")
		n.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("2")
	}
	return n
}

// TestClusterAgreesWithTheScheduler does anything to a Cluster, in forks and out
// of them, and compares its every answer, and every reason, with an Oracle's that
// was made for the state at hand.
func TestClusterAgreesWithTheScheduler(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := worldtest.New()
		w.Objects.Namespaces = []corev1.Namespace{
			{ObjectMeta: metav1.ObjectMeta{Name: "default", Labels: map[string]string{"team": "x"}}}, {ObjectMeta: metav1.ObjectMeta{Name: "other"}},
		}
		storage(w)
		var pods []*corev1.Pod
		known := rapid.Bool().Draw(rt, "surveyed")
		for i := range rapid.IntRange(2, 7).Draw(rt, "shapes") {
			opt := anyPod(rt)
			for j := range rapid.IntRange(1, 3).Draw(rt, "replicas") {
				pod := w.AddPod(fmt.Sprintf("p%d-%d", i, j), rapid.SampledFrom([]string{"500m", "1", "3"}).Draw(rt, "want"), "1Gi", opt)
				pods = append(pods, pod.DeepCopy())
			}
		}
		if !known {
			w.Objects.Pods = nil // their selectors are met one after the other
		}
		s := w.Snapshot()
		c, err := fit.New(s)
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{map[string]*corev1.Node{}, map[string][]*corev1.Pod{}}
		for i := range rapid.IntRange(1, 5).Draw(rt, "nodes") {
			n := anyTwinNode(rt, fmt.Sprintf("n%d", i))
			m.nodes[n.Name] = n
			if err := c.AddNode(n); err != nil {
				rt.Fatal(err)
			}
		}
		compare := func() {
			o, err := fit.NewOracle(s)
			if err != nil {
				rt.Fatal(err)
			}
			var names []string
			for name, n := range m.nodes {
				names = append(names, name)
				if err := o.AddNode(n); err != nil {
					rt.Fatal(err)
				}
				for _, p := range m.on[name] {
					if err := o.AddPod(p, name); err != nil {
						rt.Fatal(err)
					}
				}
			}
			sort.Strings(names)
			for _, p := range pods {
				for _, name := range names {
					wantWhy, want := o.Fits(p, name)
					why, ok := c.Fits(p, name)
					if ok != want || why != wantWhy {
						rt.Fatalf("pod %s on %s: %v %q, the scheduler says %v %q", p.Name, name, ok, why, want, wantWhy)
					}
				}
			}
		}
		var saved []*model
		for range rapid.IntRange(1, 14).Draw(rt, "steps") {
			name := fmt.Sprintf("n%d", rapid.IntRange(0, 5).Draw(rt, "node"))
			pod := rapid.SampledFrom(pods).Draw(rt, "pod")
			switch rapid.SampledFrom([]string{"add", "add", "add", "add", "take", "remove", "new", "like", "fork", "revert", "commit", "compare"}).Draw(rt, "step") {
			case "add":
				if m.nodes[name] != nil && !slices.ContainsFunc(m.on[name], func(p *corev1.Pod) bool { return p.UID == pod.UID }) {
					m.on[name] = append(m.on[name], pod)
					if err := c.AddPod(pod, name); err != nil {
						rt.Fatal(err)
					}
				}
			case "take":
				if i := slices.Index(m.on[name], pod); i >= 0 {
					m.on[name] = slices.Delete(slices.Clone(m.on[name]), i, i+1)
					if err := c.RemovePod(pod, name); err != nil {
						rt.Fatal(err)
					}
				}
			case "remove":
				delete(m.nodes, name)
				delete(m.on, name)
				c.RemoveNode(name)
			case "new":
				if m.nodes[name] == nil {
					m.nodes[name] = anyTwinNode(rt, name)
					if err := c.AddNode(m.nodes[name]); err != nil {
						rt.Fatal(err)
					}
				}
			case "like":
				if m.nodes[name] == nil {
					n := anyTwinNode(rt, name)
					if err := c.AddLike(c.Model(n, []*corev1.Pod{pod}), name); err != nil {
						rt.Fatal(err)
					}
					m.nodes[name], m.on[name] = n, []*corev1.Pod{pod}
				}
			case "fork":
				saved = append(saved, m.clone())
				c.Fork()
			case "revert":
				if len(saved) > 0 {
					m, saved = saved[len(saved)-1], saved[:len(saved)-1]
					c.Revert()
				}
			case "commit":
				if len(saved) > 0 {
					saved = saved[:len(saved)-1]
					c.Commit()
				}
			case "compare":
				compare()
			}
		}
		compare()
	})
}
