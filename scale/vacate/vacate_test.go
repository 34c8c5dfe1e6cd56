package vacate

import (
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	componentresource "k8s.io/component-helpers/resource"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// silent is an oracle that must not be asked.
func silent() (Oracle, error) { return nil, errors.New("nobody is to be asked") }

func nodeOf(name, cpu string, taints ...corev1.Taint) *corev1.Node {
	n := worldtest.Placement("AD-1", cpu, "16Gi").Template
	n.Name, n.Spec.Taints = name, taints
	return &n
}

func pod(name, cpu string, opts ...func(*corev1.Pod)) *corev1.Pod {
	return worldtest.New().AddPod(name, cpu, "1Gi", opts...)
}

// yard is a cluster of nodes n0, n1, ... of 4 cores, with these pods on them.
func yard(pods ...[]*corev1.Pod) *Cluster {
	c := New(silent)
	var names []string
	for i, list := range pods {
		used := Amount{}
		for _, p := range list {
			a, _ := Requests(p)
			used = used.Plus(a)
		}
		name := fmt.Sprintf("n%d", i)
		c.AddNode(nodeOf(name, "4"), list, used)
		names = append(names, name)
	}
	c.Place(names)
	return c
}

// TestUndoForgets: what an attempt took is there again for the next, and what
// one kept is not.
func TestUndoForgets(t *testing.T) {
	a, b := []*corev1.Pod{pod("a", "3")}, []*corev1.Pod{pod("b", "3")}
	c := yard(a, b, nil)
	for range 3 {
		x, no, err := c.Try("n0", a)
		if err != nil || no != nil || x.Moves[0].To != "n2" {
			t.Fatalf("a goes to %v: %v, %v", x, no, err)
		}
		x.Undo()
	}
	x, _, _ := c.Try("n0", a)
	x.Keep()
	_, no, err := c.Try("n1", b)
	if err != nil || no == nil || no.Why != "1 NodeResourcesFit: Insufficient cpu" {
		t.Fatalf("b has room although a took it: %v, %v", no, err)
	}
	if _, no, _ := c.Try("n1", b); no == nil || no.Why != "1 NodeResourcesFit: Insufficient cpu" {
		t.Fatalf("asked again: %v", no)
	}
}

// TestARefusalIsNotRememberedForAnotherNode: n1 finds no room beside itself, but
// its room is room for the pods of n0.
func TestARefusalIsNotRememberedForAnotherNode(t *testing.T) {
	a, b := []*corev1.Pod{pod("a", "2")}, []*corev1.Pod{pod("b", "2")}
	full := []*corev1.Pod{pod("c", "3")}
	c := yard(full, a)
	if _, no, _ := c.Try("n1", a); no == nil {
		t.Fatal("a pod of 2 cores fits beside one of 3 on 4")
	}
	c = yard(b, a, full)
	c.Withdraw("n0")
	if _, no, _ := c.Try("n1", a); no == nil {
		t.Fatal("the only room is on the node that is tried")
	}
	if x, no, _ := c.Try("n0", b); no != nil || x.Moves[0].To != "n1" {
		t.Fatalf("the pod of n0 fits n1: %v", no)
	}
}

// TestWhatIsNotSimpleAsks: each trait that another plugin looks at goes to the
// oracle; one too few here would be a wrong answer.
func TestWhatIsNotSimpleAsks(t *testing.T) {
	self := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	traits := map[string]func(*corev1.Pod){
		"host port": func(p *corev1.Pod) { p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80}} },
		"claim":     func(p *corev1.Pod) { p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "x"}} },
		"volume": func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "x"}}}}
		},
		"spread": func(p *corev1.Pod) {
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{TopologyKey: "x", WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: self}}
		},
		"affinity": func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: "x"}}}}
		},
		"anti-affinity": func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: "x"}}}}
		},
		"accelerator": worldtest.Requests("nvidia.com/gpu", "1"),
		"new operator": func(p *corev1.Pod) {
			p.Spec.Tolerations = []corev1.Toleration{{Key: "x", Operator: "Lt", Value: "5"}}
		},
	}
	for name, trait := range traits {
		p := []*corev1.Pod{pod("p", "1", trait)}
		if _, _, err := yard(p, nil).Try("n0", p); err == nil {
			t.Errorf("%s: the oracle was not asked", name)
		}
	}
	shy := pod("shy", "1", worldtest.Labels[*corev1.Pod]("app", "db"), func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{LabelSelector: self, TopologyKey: "x"}}}}
	})
	p := []*corev1.Pod{pod("p", "1", worldtest.Labels[*corev1.Pod]("app", "web"))}
	if _, _, err := yard(p, []*corev1.Pod{shy}).Try("n0", p); err == nil {
		t.Error("another pod's anti-affinity means this pod, and the oracle was not asked")
	}
}

// TestRequestsAreTheSchedulers compares the quick count with the library that
// the scheduler counts with, on pods of every make.
func TestRequestsAreTheSchedulers(t *testing.T) {
	quantities := []string{"0", "1m", "250m", "1", "3"}
	list := func(rt *rapid.T, name string) corev1.ResourceList {
		return corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse(rapid.SampledFrom(quantities).Draw(rt, name)),
			corev1.ResourceMemory: resource.MustParse(rapid.SampledFrom([]string{"0", "1Mi", "1Gi"}).Draw(rt, name+" memory")),
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := &corev1.Pod{}
		always := corev1.ContainerRestartPolicyAlways
		for i := range rapid.IntRange(1, 3).Draw(rt, "containers") {
			name := fmt.Sprintf("c%d", i)
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: list(rt, name)}})
			if rapid.Bool().Draw(rt, "status") {
				p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{
					Name: name, Resources: &corev1.ResourceRequirements{Requests: list(rt, "has")}, AllocatedResources: list(rt, "allocated"),
				})
			}
		}
		for range rapid.IntRange(0, 2).Draw(rt, "init") {
			c := corev1.Container{Name: "i", Resources: corev1.ResourceRequirements{Requests: list(rt, "init")}}
			if rapid.Bool().Draw(rt, "sidecar") {
				c.RestartPolicy = &always
			}
			p.Spec.InitContainers = append(p.Spec.InitContainers, c)
		}
		if rapid.Bool().Draw(rt, "overhead") {
			p.Spec.Overhead = list(rt, "overhead")
		}
		want := componentresource.PodRequests(p, componentresource.PodResourcesOptions{UseStatusResources: true, InPlacePodLevelResourcesVerticalScalingEnabled: true})
		got, all := Requests(p)
		if got.CPU != want.Cpu().MilliValue() || got.Memory != want.Memory().Value() || got.Pods != 1 || !all {
			rt.Fatalf("%+v, the scheduler counts %v", got, want)
		}
	})
}
