package doctor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/world/worldtest"
)

func edit(change func(*corev1.Node)) func(*clinic) {
	return func(c *clinic) { change(c.node("n1")) }
}

func taint(key, value string, at time.Duration) func(*clinic) {
	return func(c *clinic) {
		t := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffectNoSchedule}
		if at != 0 {
			when := metav1.NewTime(c.Now.Add(-at))
			t.TimeAdded = &when
		}
		c.node("n1").Spec.Taints = append(c.node("n1").Spec.Taints, t)
	}
}

func (c *clinic) like(n int, change func(*corev1.Node)) {
	for i := range n {
		c.addNode(fmt.Sprintf("x%d", i))
	}
	change(c.node("n1"))
}

func shape(name string, gpus int64) func(*clinic) {
	return edit(func(n *corev1.Node) {
		n.Labels[corev1.LabelInstanceTypeStable] = name
		if gpus > 0 {
			n.Status.Allocatable["nvidia.com/gpu"] = *resource.NewQuantity(gpus, resource.DecimalSI)
		}
	})
}

// moreStories are those of the checks that only warn or remark.
var moreStories = []story{
	{"lost some", gpuCount.ID, shape("BM.GPU.H100.8", 7), Warn, "GPUMissing"},
	{"no driver", gpuCount.ID, shape("VM.GPU.A10.1", 0), Warn, "NoGPU"},
	{"all", gpuCount.ID, shape("BM.GPU.A100-v2.8", 8), Pass, ""},
	{"none to have", gpuCount.ID, shape("VM.Standard.E5.Flex", 0), Skip, ReasonNotApplicable},
	{"divided", gpuCount.ID, func(c *clinic) {
		shape("BM.GPU.H100.8", 0)(c)
		c.node("n1").Status.Allocatable["nvidia.com/mig-1g.10gb"] = resource.MustParse("7")
	}, Skip, ReasonNotApplicable},
	{"smaller", promised.ID, edit(func(n *corev1.Node) { n.Status.Capacity[corev1.ResourceMemory] = resource.MustParse("8Gi") }), Warn, "SmallerThanPromised"},
	{"a little smaller", promised.ID, edit(func(n *corev1.Node) { n.Status.Capacity[corev1.ResourceMemory] = resource.MustParse("15Gi") }), Pass, ""},
	{"larger", promised.ID, edit(func(n *corev1.Node) { n.Status.Capacity[corev1.ResourceMemory] = resource.MustParse("64Gi") }), Pass, ""},
	{"no template", promised.ID, func(c *clinic) { c.Cloud.Pools[0].Placements = nil }, Skip, "NoTemplate"},
	{"no address", nodeAddress.ID, edit(func(n *corev1.Node) { n.Status.Addresses = nil }), Warn, "NoAddress"},
	{"no address yet", nodeAddress.ID, func(c *clinic) { c.young("n1", time.Minute).Status.Addresses = nil }, Unknown, ReasonJoining},
	{"used up", podAddresses.ID, func(c *clinic) {
		c.node("n1").Spec.PodCIDR = "10.244.0.0/28"
		for i := range 12 {
			c.AddPod(fmt.Sprintf("p%d", i), "0", "0", worldtest.On("n1"))
		}
	}, Warn, "PodAddressesNearlyUsedUp"},
	{"room", podAddresses.ID, edit(func(n *corev1.Node) { n.Spec.PodCIDR = "10.244.0.0/25" }), Pass, ""},
	{"VCN-native", podAddresses.ID, func(*clinic) {}, Skip, ReasonNotApplicable},
	{"garbage", podAddresses.ID, edit(func(n *corev1.Node) { n.Spec.PodCIDR = "10.244" }), Unknown, ReasonUnreadable},
	{"does not come", attachments.ID, func(c *clinic) {
		a := storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "a", CreationTimestamp: metav1.NewTime(c.Now.Add(-time.Hour))}}
		a.Spec.NodeName = "n1"
		c.Objects.Attachments = append(c.Objects.Attachments, a)
	}, Warn, "VolumesStuck"},
	{"an old CRI-O", runtimeAdvisories.ID, edit(func(n *corev1.Node) { n.Status.NodeInfo.ContainerRuntimeVersion = "cri-o://1.28.5" }), Info, "RuntimeAdvisory"},
	{"ahead", clockAhead.ID, func(c *clinic) { c.leases["n1"] = c.Now.Add(time.Minute) }, Warn, "ClockAhead"},
	{"no leases", clockAhead.ID, func(c *clinic) { c.leasesErr = errors.New("forbidden") }, Unknown, ReasonNotPermitted},
	{"reported", otherMonitors.ID, edit(func(n *corev1.Node) { set(n, "KernelDeadlock", corev1.ConditionTrue, time.Unix(0, 0)) }), Warn, "ReportedByOthers"},
	{"fine", otherMonitors.ID, edit(func(n *corev1.Node) { set(n, "KernelDeadlock", corev1.ConditionFalse, time.Unix(0, 0)) }), Pass, ""},
	{"not known which way is up", otherMonitors.ID, edit(func(n *corev1.Node) { set(n, "StorageReady", corev1.ConditionTrue, time.Unix(0, 0)) }), Pass, ""},
	{"just put", taintsLeft.ID, taint("karpenter.sh/disrupted", "", time.Minute), Info, "TaintedByOthers"},
	{"forgotten", taintsLeft.ID, taint("karpenter.sh/disrupted", "", 2*time.Hour), Warn, "TaintedByOthers"},
	{"dated by its value", taintsLeft.ID, taint("ToBeDeletedByClusterAutoscaler", "1500000000", 0), Warn, "TaintedByOthers"},
	{"the user's own", taintsLeft.ID, taint("dedicated", "x", 2*time.Hour), Pass, ""},
	{"by hand", cordoned.ID, edit(worldtest.Cordoned), Info, "CordonedByOthers"},
	{"one is missing", okeSystem.ID, func(c *clinic) {
		c.addDaemonSet("proxymux-client", "system-node-critical")
		c.addDaemonSet("vcn-native-ip-cni", "system-node-critical")
	}, Warn, "DaemonSetMissing"},
	{"another kind of cluster", okeSystem.ID, func(*clinic) {}, Skip, ReasonNotApplicable},
	{"another kernel", poolDrift.ID, func(c *clinic) {
		c.like(3, func(n *corev1.Node) { n.Status.NodeInfo.KernelVersion = "5.4.0" })
	}, Info, "DiffersFromPool"},
	{"another version", poolDrift.ID, func(c *clinic) {
		c.like(3, func(n *corev1.Node) {
			n.Status.NodeInfo.KernelVersion, n.Status.NodeInfo.KubeletVersion = "5.4.0", "v1.34.0"
		})
	}, Skip, "NoMajority"},
	{"few siblings", poolDrift.ID, func(c *clinic) { c.like(0, func(n *corev1.Node) { n.Status.NodeInfo.KernelVersion = "5.4.0" }) }, Skip, "NoMajority"},
	{"alike", poolDrift.ID, func(c *clinic) { c.like(3, func(*corev1.Node) {}) }, Pass, ""},
	{"older version", release.ID, edit(func(n *corev1.Node) { n.Status.NodeInfo.KubeletVersion = "v1.20.0" }), Info, "OtherVersion"},
	{"older image", release.ID, func(c *clinic) {
		c.Cloud.Pools[0].Release.Image = "ocid1.image.new"
		c.instance("n1").Release.Image = "ocid1.image.old"
	}, Info, "OtherImage"},
	{"old", age.ID, func(c *clinic) { c.young("n1", 180*24*time.Hour) }, Info, "NodeOld"},
	{"some", evictions.ID, evicted(4, time.Minute), Warn, "PodsEvicted"},
	{"long ago", evictions.ID, evicted(4, 3*time.Hour), Pass, ""},
}

func evicted(n int, ago time.Duration) func(*clinic) {
	return func(c *clinic) {
		for i := range n {
			p := c.AddPod(fmt.Sprintf("gone-%d", i), "0", "0", worldtest.On("n1"))
			p.CreationTimestamp = metav1.NewTime(c.Now.Add(-24 * time.Hour))
			p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted"
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(c.Now.Add(-ago))}}
		}
	}
}

// The checks that came after the gate was set up say nothing against a node:
// neither its verdict nor a repair may rest on them.
func TestRemarksAreNoVerdict(t *testing.T) {
	for _, s := range moreStories {
		c := newClinic()
		c.addNode("n1")
		c.addNode("n2")
		s.tell(c)
		if x := c.caseOf(t, "n1"); s.state == Warn && x.Verdict.Status == corev1.ConditionTrue && strings.HasPrefix(x.Verdict.Message, s.check) {
			t.Errorf("%s/%s condemned the node: %+v", s.check, s.name, x.Verdict)
		}
		for _, k := range Checks() {
			if k.ID == s.check && (k.Gate || k.Action != ActionNone || k.Limits.Fail > 0) {
				t.Errorf("%s is more than a remark", k.ID)
			}
		}
	}
}

func TestGPUsOfShapes(t *testing.T) {
	for shape, want := range map[string]int64{"BM.GPU4.8": 8, "VM.GPU3.2": 2, "BM.GPU.MI300X.8": 8, "VM.GPU.A10.2": 2,
		"VM.Standard2.4": 0, "BM.GPU": 0, "": 0, "BM.GPU.X.-1": 0, "BM.GPU.X.99999": 0} {
		if got, ok := gpusOf(shape); ok != (want > 0) || ok && got != want {
			t.Errorf("%q has %d GPUs, want %d", shape, got, want)
		}
	}
}
