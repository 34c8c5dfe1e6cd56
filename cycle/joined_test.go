package cycle

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// complete is a world in mid-run with a new node that has all that the old ones
// have; each case takes one thing away.
func complete() (*worldtest.World, *corev1.Node) {
	w, p := gated()
	p.Status.Cycle.Desired = 2
	n := w.AddNode("workers", "new")
	list := w.Cloud.Instances[worldtest.PoolID("workers")]
	list[2].Created = w.Now.Add(-time.Second)
	for i := range w.Objects.Nodes {
		o := &w.Objects.Nodes[i]
		o.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse("8")
		w.Objects.CSINodes = append(w.Objects.CSINodes, storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: o.Name},
			Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: "blockvolume.csi.oraclecloud.com"}}}})
		pod := w.AddPod("network-"+o.Name, "1", "1Gi", worldtest.On(o.Name), worldtest.OwnedBy("DaemonSet", "network"))
		pod.Spec.PriorityClassName = "system-node-critical"
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	return w, n
}

// publish is a driver's slice of a node's devices, one of so many.
func publish(w *worldtest.World, node string, of int64) {
	s := resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: node + "-gpu"}}
	s.Spec.NodeName, s.Spec.Driver = &node, "gpu.nvidia.com"
	s.Spec.Pool = resourcev1.ResourcePool{Name: node, Generation: 1, ResourceSliceCount: of}
	w.Objects.ResourceSlices = append(w.Objects.ResourceSlices, s)
}

func TestANewNodeCountsWhenItIsComplete(t *testing.T) {
	find := func(w *worldtest.World) *corev1.Node { return &w.Objects.Nodes[2] }
	pod := func(w *worldtest.World) *corev1.Pod { return &w.Objects.Pods[2] }
	for _, c := range []struct {
		name, lacks string
		spoil       func(*worldtest.World)
	}{
		{"complete", "", func(*worldtest.World) {}},
		{"no GPU", "it offers no nvidia.com/gpu", func(w *worldtest.World) { delete(find(w).Status.Allocatable, "nvidia.com/gpu") }},
		{"a GPU that is not ready", "it offers no nvidia.com/gpu", func(w *worldtest.World) { find(w).Status.Allocatable["nvidia.com/gpu"] = resource.MustParse("0") }},
		{"no CSI driver", "CSI driver blockvolume.csi.oraclecloud.com is not registered", func(w *worldtest.World) { w.Objects.CSINodes[2].Spec.Drivers = nil }},
		{"network not ready", "of critical DaemonSet", func(w *worldtest.World) { pod(w).Status.Conditions[0].Status = corev1.ConditionFalse }},
		{"network not there", "has no pod on it", func(w *worldtest.World) { w.Objects.Pods = w.Objects.Pods[:2] }},
		{"startup taint", "taint node.cilium.io/agent-not-ready keeps pods off", func(w *worldtest.World) {
			find(w).Spec.Taints = []corev1.Taint{{Key: "node.cilium.io/agent-not-ready", Effect: corev1.TaintEffectNoSchedule}}
		}},
		{"no devices", "driver gpu.nvidia.com has not published all ResourceSlices", func(w *worldtest.World) {
			publish(w, "n1", 1)
			publish(w, "n2", 1)
		}},
		{"half of its devices", "driver gpu.nvidia.com has not published all ResourceSlices", func(w *worldtest.World) {
			publish(w, "n1", 1)
			publish(w, "n2", 1)
			publish(w, "new", 2)
		}},
		{"its devices", "", func(w *worldtest.World) {
			publish(w, "n1", 1)
			publish(w, "n2", 1)
			publish(w, "new", 1)
		}},
		{"devices that not every old node has", "", func(w *worldtest.World) { publish(w, "n1", 1) }},
		{"devices that nobody may read", "", func(w *worldtest.World) { w.Objects.DevicesAway = "forbidden" }},
		{"a taint that all nodes of the pool have", "", func(w *worldtest.World) {
			for i := range w.Objects.Nodes {
				w.Objects.Nodes[i].Spec.Taints = []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, _ := complete()
			c.spoil(w)
			plan := Decide(w.Snapshot(), Policy{})
			marked := 0
			for _, s := range plan.Steps {
				if s.Kind == Mark {
					marked++
				}
			}
			if marked != map[bool]int{true: 1, false: 0}[c.lacks == ""] {
				t.Errorf("%d nodes are taken:\n%s", marked, words(plan))
			}
			if c.lacks != "" && !strings.Contains(words(plan), c.lacks) {
				t.Errorf("nothing says %q:\n%s", c.lacks, words(plan))
			}
		})
	}
}

// TestAStoppedRunSaysTheSameUntilSomebodyComes: what it says of a machine that never
// became a node does not grow older with it, or the Pool would be written each minute;
// and what it asks for can be done, whatever the run was asked by.
func TestAStoppedRunSaysTheSameUntilSomebodyComes(t *testing.T) {
	for request, advice := range map[string]string{
		v1alpha1.AnnotationCycle + "=now":           "set a new value of annotation tidemill.dev/cycle",
		v1alpha1.AnnotationUpgradeTo + "=v1.34.1":   "end the run with annotation tidemill.dev/abort and take that off again",
		"node/" + "10.0.0.7" + "=replace-this":      "end the run with annotation tidemill.dev/abort and set a new value on the node",
		v1alpha1.AnnotationRollback + "=2026-11-22": "take that off again",
	} {
		if got := howToAskAgain(&v1alpha1.CycleStatus{Request: request}); !strings.Contains(got, advice) {
			t.Errorf("%s: %q", request, got)
		}
	}
	w, _ := complete()
	w.Objects.Nodes = w.Objects.Nodes[:2]
	machine := w.Cloud.Instances[worldtest.PoolID("workers")][2]
	run := w.Objects.Pools[0].Status.Cycle
	run.FailedJoins = []string{"a", "b", string(machine.ID)}
	said := map[string]bool{}
	for range 3 {
		w.Now = w.Now.Add(30 * time.Minute)
		for _, b := range Decide(w.Snapshot(), Policy{}).Pools[0].Blocked {
			if b.Reason == JoinTimeout {
				said[b.Message] = true
			}
		}
	}
	if len(said) != 1 {
		t.Errorf("it says %v", said)
	}
}

// TestNoFailureIsCountedByAnOldView: what a silent watch shows as not joined may have
// joined long ago. A live look decides, and nobody has examined what it finds, so that
// the doctor has his time for it.
func TestNoFailureIsCountedByAnOldView(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(s *simulation, node string)
		noNode  bool
		counted bool
	}{
		"as it was":           {change: func(*simulation, string) {}, counted: true},
		"it has become Ready": {change: func(s *simulation, node string) { s.edit(node, func(n *corev1.Node) { n.Labels["ready"] = "now" }) }},
		"a namesake": {change: func(s *simulation, node string) {
			delete(s.town.nodes, node)
			s.town.nodes[node] = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node, UID: "another", ResourceVersion: "1"}}
		}},
		"it is gone":           {change: func(s *simulation, node string) { delete(s.town.nodes, node) }},
		"no node, as it was":   {noNode: true, change: func(s *simulation, node string) { delete(s.town.nodes, node) }, counted: true},
		"it has become a node": {noNode: true, change: func(*simulation, string) {}},
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				s.town.watch = nil
				s.ask(v1alpha1.AnnotationCycle, "now")
				s.until(func() bool { return s.town.pool.Status.Cycle != nil })
				node := s.anyNode()
				turn := s.turn(t)
				step := Step{Kind: CountJoinFailure, Pool: "workers", PoolID: s.id, Node: node, NodeUID: s.town.nodes[node].UID, Instance: cloudprovider.InstanceID(node)}
				if c.noNode {
					step.NodeUID = ""
				}
				began := turn.since
				time.Sleep(time.Second)
				c.change(s, node)
				report := Report{Pool: "workers", Cycle: s.town.pool.Status.Cycle.DeepCopy(), object: s.town.pool.DeepCopy()}
				report.Cycle.FailedJoins = []string{node}
				turn.steps["workers"] = []Step{step}
				if err := turn.pool(t.Context(), report); err != nil {
					t.Fatal(err)
				}
				if got := len(s.town.pool.Status.Cycle.FailedJoins) == 1; got != c.counted || turn.since.Equal(began) != c.counted {
					t.Errorf("counted: %v, want %v; examined since %s", got, c.counted, turn.since.Sub(began))
				}
			})
		})
	}
}

// TestWhatNobodyLookedAtIsWaitedForAnew: while a watch was silent the doctor could pass
// no new node either, and the first look after that counts none as failed (seed 157671).
func TestWhatNobodyLookedAtIsWaitedForAnew(t *testing.T) {
	for name, c := range map[string]struct {
		gap  time.Duration
		anew bool
	}{
		"look after look":    {gap: defaultInterval},
		"a look was late":    {gap: blindFor},
		"nothing for longer": {gap: blindFor + time.Second, anew: true},
	} {
		t.Run(name, func(t *testing.T) {
			pass(t, small, func(t *testing.T, s *simulation) {
				look := func() time.Time {
					if _, err := s.loop.Once(t.Context()); err != nil {
						t.Fatal(err)
					}
					return s.loop.since
				}
				before := look()
				time.Sleep(c.gap)
				if anew := !look().Equal(before); anew != c.anew {
					t.Errorf("what joined is waited for anew: %v, want %v", anew, c.anew)
				}
			})
		})
	}
}
