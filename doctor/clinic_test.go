package doctor

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

var update = flag.Bool("update", false, "rewrite the expected files in testdata")

// clinic is a world with what the doctor sees beside it, and the doctor's own
// memory, as the daemon has it.
type clinic struct {
	*worldtest.World
	leases       map[string]time.Time
	leasesErr    error
	plans        Plans
	consoles     map[string]Console
	kubelets     map[string]*KubeletView
	podNetworks  *PodNetworks
	subnets      Subnets
	controlPlane string
	history      *History
	runner       *Runner
	policy       Policy
}

// newClinic has one pool with scaling on, the system DaemonSet kube-proxy, and
// a memory.
func newClinic(opts ...func(*v1alpha1.Pool)) *clinic {
	c := &clinic{World: worldtest.New(), leases: map[string]time.Time{}, controlPlane: "v1.36.3", history: NewHistory(),
		runner: &Runner{Checks: Checks(), Timeout: time.Second}}
	c.AddPool("workers", "4", "16Gi", append([]func(*v1alpha1.Pool){worldtest.Scale(0, 100)}, opts...)...)
	c.addDaemonSet("kube-proxy", "system-node-critical")
	return c
}

func (c *clinic) addDaemonSet(name, class string) *appsv1.DaemonSet {
	ds := appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: name, UID: types.UID("uid-" + name)}}
	ds.Spec.Template.Spec.PriorityClassName = class
	c.Objects.DaemonSets = append(c.Objects.DaemonSets, ds)
	return &c.Objects.DaemonSets[len(c.Objects.DaemonSets)-1]
}

// addNode adds a node that is well: everything reports, its lease is fresh and
// kube-proxy runs on it.
func (c *clinic) addNode(name string) *corev1.Node {
	n := c.AddNode("workers", name)
	set(n, corev1.NodeReady, corev1.ConditionTrue, c.Now.Add(-50*time.Minute))
	for _, t := range []corev1.NodeConditionType{corev1.NodeDiskPressure, corev1.NodeMemoryPressure, corev1.NodePIDPressure} {
		set(n, t, corev1.ConditionFalse, c.Now.Add(-50*time.Minute))
	}
	set(n, v1alpha1.NodeConditionProblem, corev1.ConditionFalse, c.Now.Add(-40*time.Minute))
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.0.1.7"}}
	c.leases[name] = c.Now
	c.addSystemPod("kube-proxy", name, corev1.ConditionTrue)
	return n
}

func (c *clinic) addSystemPod(set, node string, ready corev1.ConditionStatus) *corev1.Pod {
	p := c.AddPod(set+"-"+node, "0", "0", worldtest.On(node), worldtest.OwnedBy("DaemonSet", set))
	p.Namespace = metav1.NamespaceSystem
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready, LastTransitionTime: metav1.NewTime(c.Now.Add(-30 * time.Minute))}}
	return p
}

func (c *clinic) node(name string) *corev1.Node {
	for i := range c.Objects.Nodes {
		if c.Objects.Nodes[i].Name == name {
			return &c.Objects.Nodes[i]
		}
	}
	return nil
}

// set sets a condition, with the time of its last transition.
func set(n *corev1.Node, t corev1.NodeConditionType, s corev1.ConditionStatus, at time.Time) {
	want := corev1.NodeCondition{Type: t, Status: s, Reason: "Test", LastTransitionTime: metav1.NewTime(at), LastHeartbeatTime: metav1.NewTime(at)}
	for i := range n.Status.Conditions {
		if n.Status.Conditions[i].Type == t {
			n.Status.Conditions[i] = want
			return
		}
	}
	n.Status.Conditions = append(n.Status.Conditions, want)
}

func unset(n *corev1.Node, t corev1.NodeConditionType) {
	var kept []corev1.NodeCondition
	for _, c := range n.Status.Conditions {
		if c.Type != t {
			kept = append(kept, c)
		}
	}
	n.Status.Conditions = kept
}

// young makes the node one that registered a while ago and was never examined.
func (c *clinic) young(name string, age time.Duration) *corev1.Node {
	n := c.node(name)
	n.CreationTimestamp = metav1.NewTime(c.Now.Add(-age))
	for i := range c.Cloud.Instances {
		for j := range c.Cloud.Instances[i] {
			if c.Cloud.Instances[i][j].ID == worldtest.InstanceID(name) {
				c.Cloud.Instances[i][j].Created = c.Now.Add(-age)
			}
		}
	}
	unset(n, v1alpha1.NodeConditionProblem)
	return n
}

// silentYoung is a node that joined a while ago, was never examined and is silent, with
// a pod on it that an ordinary Deployment put there.
func (c *clinic) silentYoung(name string) *corev1.Pod {
	set(c.young(name, 5*time.Minute), corev1.NodeReady, corev1.ConditionUnknown, c.Now.Add(-time.Minute))
	p := c.AddPod("web", "0", "0", worldtest.On(name), worldtest.OwnedBy("ReplicaSet", "web"))
	p.Spec.Tolerations = []corev1.Toleration{{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}} // as admission does
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(c.Now.Add(-time.Minute))}}
	return p
}

// examine looks once.
func (c *clinic) examine(t testing.TB) []Case {
	t.Helper()
	s := c.Snapshot()
	s.ControlPlane = c.controlPlane
	look := NewLook(s, c.leases, c.leasesErr, c.history)
	look.Plans, look.Consoles, look.Kubelets, look.PodNetworks = c.plans, c.consoles, c.kubelets, c.podNetworks
	look.Subnets = c.subnets
	return Judge(t.Context(), look, c.runner, c.policy)
}

// decide looks once and decides.
func (c *clinic) decide(t testing.TB) ([]Case, Plan) {
	t.Helper()
	cases := c.examine(t)
	return cases, Decide(cases[0].Patient.Look.Snapshot, cases, c.history.Confirm(cases), c.policy)
}

func (c *clinic) caseOf(t testing.TB, node string) Case {
	t.Helper()
	for _, x := range c.examine(t) {
		if x.Patient.Name() == node {
			return x
		}
	}
	t.Fatalf("no patient %s", node)
	return Case{}
}

func (c Case) finding(t testing.TB, check string) Finding {
	t.Helper()
	for _, f := range c.Findings {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding of %s", check)
	return Finding{}
}

// golden compares with a file of testdata, or rewrites it.
func golden(t *testing.T, name string, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test -update rewrites it):\n%s", path, diff)
	}
}
