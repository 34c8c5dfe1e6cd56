package world_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// school is a pool whose nodes promise 4 CPUs and 16Gi, and are a bit smaller.
type school struct {
	*worldtest.World
}

func newSchool() school {
	w := worldtest.New()
	p := w.AddPool("workers", "4", "16Gi")
	p.Shape = "VM.Standard.E4.Flex"
	p.Placements[0].Template.Labels[corev1.LabelInstanceTypeStable] = p.Shape
	return school{w}
}

// node adds one that is so old and has so much memory.
func (s school) node(name string, age time.Duration, memory string, opts ...func(*corev1.Node)) {
	s.AddNode("workers", name, func(n *corev1.Node) {
		n.CreationTimestamp = metav1.NewTime(s.Now.Add(-age))
		n.Status.Capacity[corev1.ResourceMemory] = resource.MustParse(memory)
		n.Status.Allocatable[corev1.ResourceMemory] = resource.MustParse(memory)
		n.Labels = map[string]string{corev1.LabelInstanceTypeStable: "VM.Standard.E4.Flex", corev1.LabelHostname: name, corev1.LabelTopologyZone: "AD-1",
			corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"}
		for _, opt := range opts {
			opt(n)
		}
	})
}

func labelled(key, value string) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Labels[key] = value }
}

func tainted(key string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
	}
}

// look is one look, with the lessons kept in the Pool's status by way of JSON as
// the API server keeps them.
func (s school) look(t *testing.T) *world.Pool {
	t.Helper()
	p := s.Snapshot().Pools[0]
	raw, err := json.Marshal(p.Learned)
	if err != nil {
		t.Fatal(err)
	}
	var kept []v1alpha1.LearnedTemplate
	if err := json.Unmarshal(raw, &kept); err != nil {
		t.Fatal(err)
	}
	if s.Objects.Pools[0].Status.Learned = kept; !equality.Semantic.DeepEqual(kept, p.Learned) {
		t.Errorf("kept %s, learned %+v", raw, p.Learned)
	}
	return p
}

func memoryOf(p *world.Pool) string {
	return p.Cloud.Placements[0].Template.Status.Allocatable.Memory().String()
}

func TestLearnsTheLeastOfAll(t *testing.T) {
	s := newSchool()
	s.node("a", 30*24*time.Hour, "15Gi")
	s.node("b", 10*time.Minute, "14Gi")
	s.node("c", time.Minute, "15500Mi")
	p := s.look(t)
	if got := memoryOf(p); got != "14Gi" || p.Learned[0].Nodes != 3 {
		t.Errorf("allocatable %s by %d nodes", got, p.Learned[0].Nodes)
	}
	if got := s.Cloud.Pools[0].Placements[0].Template.Status.Allocatable.Memory().String(); got != "16Gi" {
		t.Errorf("the cloud's own template was changed to %s", got)
	}
	// All nodes gone, tidemill started again: the lesson stays.
	s.Objects.Nodes, s.Cloud.Instances = nil, map[cloudprovider.PoolID][]cloudprovider.Instance{}
	if got := memoryOf(s.look(t)); got != "14Gi" {
		t.Errorf("at size 0: %s", got)
	}
	if d := cmp.Diff(s.look(t).Learned, s.look(t).Learned); d != "" {
		t.Errorf("two looks at the same world differ: %s", d)
	}
}

// A node of another make teaches nothing about the next one.
func TestWhoTeaches(t *testing.T) {
	for name, c := range map[string]struct {
		opt  func(*corev1.Node)
		more func(school)
	}{
		"another shape":      {opt: labelled(corev1.LabelInstanceTypeStable, "BM.Standard3.64")},
		"not Ready":          {opt: func(n *corev1.Node) { n.Status.Conditions = nil }},
		"another Kubernetes": {opt: func(n *corev1.Node) { n.Status.NodeInfo.KubeletVersion = "v1.30.0" }},
		"twice the CPUs":     {opt: func(n *corev1.Node) { n.Status.Capacity[corev1.ResourceCPU] = resource.MustParse("8") }},
		"half the memory":    {opt: func(n *corev1.Node) { n.Status.Capacity[corev1.ResourceMemory] = resource.MustParse("8Gi") }},
		"another image": {more: func(s school) {
			s.Cloud.Pools[0].Release.Image = "new"
			s.Cloud.Instances[s.Cloud.Pools[0].ID][0].Release.Image = "old"
		}},
		"not Running": {more: func(s school) { s.Cloud.Instances[s.Cloud.Pools[0].ID][0].State = cloudprovider.Stopped }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchool()
			s.node("a", time.Hour, "15Gi", func(n *corev1.Node) {
				if c.opt != nil {
					c.opt(n)
				}
			})
			if c.more != nil {
				c.more(s)
			}
			if p := s.look(t); memoryOf(p) != "16Gi" || p.Learned[0].Nodes != 0 {
				t.Errorf("it taught %+v", p.Learned[0])
			}
		})
	}
}

// The promise itself may be wrong by more than a fifth: who joins after it was
// first seen is believed.
func TestYoungerThanTheMake(t *testing.T) {
	s := newSchool()
	s.look(t)
	s.Now = s.Now.Add(time.Hour)
	s.node("a", 5*time.Minute, "8Gi", func(n *corev1.Node) { n.Status.Capacity[corev1.ResourceCPU] = resource.MustParse("2") })
	p := s.look(t)
	if cpu := p.Cloud.Placements[0].Template.Status.Capacity.Cpu().String(); memoryOf(p) != "8Gi" || cpu != "2" {
		t.Errorf("template has %s and %s CPUs", memoryOf(p), cpu)
	}
}

// After an upgrade, and until a node of the new make has joined, the old make's
// resources are nearer than a formula; after a change of shape they are nothing.
func TestOtherMakes(t *testing.T) {
	s := newSchool()
	s.node("a", 20*time.Minute, "15Gi", labelled("rack", "1"))
	s.node("b", 20*time.Minute, "15Gi", labelled("rack", "1"))
	if p := s.look(t); p.Cloud.Placements[0].Template.Labels["rack"] != "1" {
		t.Fatalf("lesson %+v", p.Learned)
	}
	s.Cloud.Pools[0].Release.Kubernetes = "v1.37.0"
	p := s.look(t)
	if _, ok := p.Cloud.Placements[0].Template.Labels["rack"]; memoryOf(p) != "15Gi" || ok || len(p.Learned) != 2 {
		t.Errorf("after an upgrade: %s, labels %v", memoryOf(p), p.Cloud.Placements[0].Template.Labels)
	}
	s.Cloud.Pools[0].Placements[0] = worldtest.Placement("AD-1", "8", "32Gi")
	if p := s.look(t); memoryOf(p) != "32Gi" || len(p.Learned) != 3 {
		t.Errorf("after a change of shape: %s, %d lessons", memoryOf(p), len(p.Learned))
	}
	s.Cloud.Pools[0].Shape = "VM.Standard.E5.Flex"
	if p := s.look(t); len(p.Learned) != 3 {
		t.Errorf("%d lessons are kept", len(p.Learned))
	}
}

func TestLabelsAndTaints(t *testing.T) {
	young, old, new_ := 10*time.Minute, 2*time.Hour, time.Second
	for name, c := range map[string]struct {
		add    func(school)
		labels map[string]string
		taints int
	}{
		"common to the young": {func(s school) {
			s.node("a", young, "16Gi", labelled("disk", "ssd"), tainted("gpu"))
			s.node("b", young, "16Gi", labelled("disk", "ssd"), tainted("gpu"), labelled("mine", "1"), tainted("mine"))
			s.node("c", old, "16Gi")
			s.node("d", new_, "16Gi")
		}, map[string]string{"disk": "ssd"}, 1},
		"one alone may be a person's": {func(s school) { s.node("a", young, "16Gi", labelled("disk", "ssd"), tainted("gpu")) }, nil, 0},
		"the old ones' are people's": {func(s school) {
			s.node("a", old, "16Gi", labelled("team", "x"), tainted("team"))
			s.node("b", old, "16Gi", labelled("team", "x"), tainted("team"))
		}, nil, 0},
		"values that differ": {func(s school) {
			s.node("a", young, "16Gi", labelled("rack", "1"))
			s.node("b", young, "16Gi", labelled("rack", "2"))
		}, nil, 0},
		"where and how a node is": {func(s school) {
			for _, n := range []string{"a", "b"} {
				s.node(n, young, "16Gi", labelled("oci.oraclecloud.com/fault-domain", "FAULT-DOMAIN-1"), labelled("node.info/kubeletVersion", "v1"),
					tainted("node.kubernetes.io/not-ready"), tainted("tidemill.dev/x"), tainted("ToBeDeletedByClusterAutoscaler"))
			}
		}, nil, 0},
		"cordoned ones do not tell": {func(s school) {
			for _, n := range []string{"a", "b"} {
				s.node(n, young, "16Gi", labelled("disk", "ssd"), func(n *corev1.Node) { n.Spec.Unschedulable = true })
			}
		}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchool()
			c.add(s)
			l := s.look(t).Learned[0]
			if d := cmp.Diff(c.labels, l.Labels); d != "" && len(l.Labels)+len(c.labels) > 0 {
				t.Errorf("labels (-want +got):\n%s", d)
			}
			if len(l.Taints) != c.taints {
				t.Errorf("taints %v", l.Taints)
			}
		})
	}
}

// What was learned of two is confirmed by one, and unlearned by one that lacks it.
func TestUnlearning(t *testing.T) {
	s := newSchool()
	s.node("a", 10*time.Minute, "16Gi", labelled("disk", "ssd"), tainted("gpu"))
	s.node("b", 10*time.Minute, "16Gi", labelled("disk", "ssd"), tainted("gpu"))
	s.look(t)
	s.Now = s.Now.Add(2 * time.Hour)
	if p := s.look(t); p.Cloud.Placements[0].Template.Labels["disk"] != "ssd" {
		t.Error("forgotten with age")
	}
	s.node("c", 10*time.Minute, "16Gi", labelled("disk", "ssd"), tainted("gpu"))
	if p := s.look(t); p.Cloud.Placements[0].Template.Labels["disk"] != "ssd" || len(p.Cloud.Placements[0].Template.Spec.Taints) != 1 {
		t.Error("forgotten though confirmed")
	}
	s.node("d", 10*time.Minute, "16Gi")
	if p := s.look(t); p.Cloud.Placements[0].Template.Labels["disk"] != "" || len(p.Cloud.Placements[0].Template.Spec.Taints) != 0 {
		t.Error("promised though a node lacks it")
	}
}

// A device plugin that has not started yet is not a missing GPU.
func TestMissingDevices(t *testing.T) {
	s := newSchool()
	gpus := func(n string) func(*corev1.Node) {
		return func(node *corev1.Node) { node.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse(n) }
	}
	s.node("a", time.Hour, "16Gi", gpus("4"))
	s.node("b", time.Minute, "16Gi", gpus("0"))
	got := s.look(t).Cloud.Placements[0].Template.Status.Allocatable["nvidia.com/gpu"]
	if got.String() != "4" {
		t.Errorf("%s GPUs", got.String())
	}
}

func TestTemplateMismatch(t *testing.T) {
	s := newSchool()
	s.node("a", 10*time.Minute, "16Gi", labelled("disk", "hdd"), tainted("mine"))
	s.Cloud.Pools[0].Placements[0].Template.Labels["disk"] = "ssd"
	p := s.look(t)
	list := p.Mismatches(s.Now)
	if len(list) != 1 || list[0].Node.Name() != "a" {
		t.Fatalf("mismatches %+v", list)
	}
	want := []string{"label disk: promised ssd, is hdd", "taint mine: promised none, is :NoSchedule"}
	var got []string
	for _, d := range list[0].Differences {
		got = append(got, d.String())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	template := p.Cloud.Placements[0].Template.DeepCopy()
	template.Status.Allocatable[corev1.ResourceMemory] = resource.MustParse("17Gi")
	if d := world.TemplateMismatch(template, list[0].Node.Object)[0]; d.What != "resource" || d.Key != "memory" {
		t.Errorf("first %v", d)
	}
	s.Now = s.Now.Add(2 * time.Hour)
	if list := p.Mismatches(s.Now); len(list) != 0 {
		t.Errorf("old nodes are people's: %+v", list)
	}
}

// Whatever the nodes: the taught template is no larger than any teacher of the
// make, the lessons stay within their bounds, and a second look learns nothing new.
func TestLearningIsBoundedAndStable(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newSchool()
		for i := range rapid.IntRange(0, 6).Draw(r, "nodes") {
			s.node(fmt.Sprintf("n%d", i), time.Duration(rapid.IntRange(0, 90).Draw(r, "minutes"))*time.Minute, fmt.Sprintf("%dMi", rapid.IntRange(13200, 19000).Draw(r, "memory")),
				func(n *corev1.Node) {
					for j := range rapid.IntRange(0, 80).Draw(r, "labels") {
						n.Labels[fmt.Sprintf("l%d", j)] = "x"
					}
					for j := range rapid.IntRange(0, 30).Draw(r, "taints") {
						tainted(fmt.Sprintf("t%d", j))(n)
					}
				})
		}
		p := s.Snapshot().Pools[0]
		l := p.Learned[0]
		if len(l.Labels) > 48 || len(l.Taints) > 16 || len(l.Allocatable) > 32 || len(p.Learned) > 3 {
			r.Fatalf("%d labels, %d taints, %d resources", len(l.Labels), len(l.Taints), len(l.Allocatable))
		}
		for _, n := range s.Objects.Nodes {
			if p.Cloud.Placements[0].Template.Status.Allocatable.Memory().Cmp(*n.Status.Allocatable.Memory()) > 0 {
				r.Errorf("the template has %s, node %s %s", memoryOf(p), n.Name, n.Status.Allocatable.Memory())
			}
		}
		s.Objects.Pools[0].Status.Learned = p.Learned
		if d := cmp.Diff(p.Learned, s.Snapshot().Pools[0].Learned); d != "" {
			r.Errorf("a second look learns: %s", d)
		}
	})
}
