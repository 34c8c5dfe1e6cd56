package doctor

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// A story is one way in which a node can be, and what one check makes of it.
type story struct {
	name   string
	check  string
	tell   func(c *clinic)
	state  State
	reason string
}

// pull puts a pod on the node whose image cannot be pulled, or runs.
func (c *clinic) pull(node, name, image string, running bool) {
	p := c.AddPod(name, "0", "0", worldtest.On(node))
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Image: image}}
	if running {
		p.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{}
		return
	}
	p.Status.Phase = corev1.PodPending
	p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}
}

// start puts a pod of an owner on the node that has waited for its sandbox.
func (c *clinic) start(node, owner string, waiting time.Duration) {
	p := c.AddPod(owner+"-"+node, "0", "0", worldtest.On(node), worldtest.OwnedBy("ReplicaSet", owner))
	if waiting > 0 {
		p.Status.Phase = corev1.PodPending
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionFalse,
			LastTransitionTime: metav1.NewTime(c.Now.Add(-waiting))}}
	}
}

func (c *clinic) terminating(n int, past time.Duration, finalizers ...string) {
	for i := range n {
		p := c.AddPod(fmt.Sprintf("going-%d", i), "0", "0", worldtest.On("n1"))
		at := metav1.NewTime(c.Now.Add(-past))
		p.DeletionTimestamp, p.Finalizers = &at, finalizers
	}
}

func (c *clinic) instance(name string) *cloudprovider.Instance {
	for _, list := range c.Cloud.Instances {
		for i := range list {
			if list[i].ID == worldtest.InstanceID(name) {
				return &list[i]
			}
		}
	}
	return nil
}

func (c *clinic) ready(s corev1.ConditionStatus, ago time.Duration) {
	set(c.node("n1"), corev1.NodeReady, s, c.Now.Add(-ago))
}

// Every story begins with nodes n1 and n2, both well; n1 is the patient unless
// the story adds a machine m1.
var stories = []story{
	{"machine there", "instance-gone", func(c *clinic) {}, Pass, ""},
	{"machine not listed, just now", "instance-gone", func(c *clinic) { c.Cloud.Instances[worldtest.PoolID("workers")] = nil }, Warn, "InstanceGone"},
	{"cloud away", "instance-gone", func(c *clinic) { c.Cloud.Err = errors.New("timeout") }, Unknown, ReasonCloudUnreachable},
	{"pool unreadable", "instance-gone", func(c *clinic) {
		c.Cloud.Pools[0].Health.Err = errors.New("500")
		c.Cloud.Instances[worldtest.PoolID("workers")] = nil
	}, Unknown, ReasonCloudUnreachable},

	{"machine runs", "instance-stopped", func(c *clinic) {}, Pass, ""},
	{"machine stopped", "instance-stopped", func(c *clinic) { c.instance("n1").State = cloudprovider.Stopped }, Fail, "InstanceStopped"},
	{"machine gone", "instance-stopped", func(c *clinic) { c.Cloud.Instances[worldtest.PoolID("workers")] = nil }, Skip, "InstanceGone"},
	{"cloud away", "instance-stopped", func(c *clinic) { c.Cloud.Err = errors.New("timeout") }, Unknown, ReasonCloudUnreachable},

	{"registered", "registration", func(c *clinic) {}, Skip, ReasonNotApplicable},
	{"boots", "registration", func(c *clinic) { c.AddInstance("workers", "m1", cloudprovider.Creating) }, Unknown, ReasonJoining},
	{"runs for 19 minutes", "registration", func(c *clinic) {
		c.AddInstance("workers", "m1", cloudprovider.Running).Created = c.Now.Add(-19 * time.Minute)
	}, Unknown, ReasonJoining},
	{"runs for 21 minutes", "registration", func(c *clinic) {
		c.AddInstance("workers", "m1", cloudprovider.Running).Created = c.Now.Add(-21 * time.Minute)
	}, Fail, "RegistrationTimeout"},
	{"bare metal runs for 21 minutes", "registration", func(c *clinic) {
		c.Cloud.Pools[0].Shape = "BM.GPU4.8"
		c.AddInstance("workers", "m1", cloudprovider.Running).Created = c.Now.Add(-21 * time.Minute)
	}, Unknown, ReasonJoining},
	{"age unknown", "registration", func(c *clinic) {
		c.AddInstance("workers", "m1", cloudprovider.Running).Created = time.Time{}
	}, Unknown, "AgeUnknown"},
	{"no capacity", "registration", func(c *clinic) {
		c.AddInstance("workers", "m1", cloudprovider.Failed).Fault = &cloudprovider.Fault{Class: cloudprovider.FaultCapacity, Code: "InternalError", Message: "Out of host capacity."}
	}, Fail, "OutOfHostCapacity"},
	{"failed without a word", "registration", func(c *clinic) { c.AddInstance("workers", "m1", cloudprovider.Failed) }, Fail, "Unknown"},

	{"provider ID", "provider-id", func(c *clinic) {}, Pass, ""},
	{"no provider ID", "provider-id", func(c *clinic) { c.node("n1").Spec.ProviderID = "" }, Fail, "ProviderIDMissing"},
	{"no provider ID yet", "provider-id", func(c *clinic) { c.young("n1", time.Minute).Spec.ProviderID = "" }, Unknown, ReasonJoining},
	{"self-managed", "provider-id", func(c *clinic) {
		c.node("n1").Spec.ProviderID = ""
		c.node("n1").Labels[v1alpha1.LabelSelfManaged] = "true"
	}, Info, "SelfManaged"},

	{"Ready", "ready", func(c *clinic) {}, Pass, ""},
	{"not Ready", "ready", func(c *clinic) { c.ready(corev1.ConditionFalse, time.Second) }, Fail, "KubeletNotReady"},
	{"silent", "ready", func(c *clinic) { c.ready(corev1.ConditionUnknown, time.Second) }, Fail, "KubeletSilent"},
	{"never reported", "ready", func(c *clinic) { unset(c.node("n1"), corev1.NodeReady) }, Fail, "NeverReported"},
	{"joining", "ready", func(c *clinic) {
		c.young("n1", 5*time.Minute)
		c.ready(corev1.ConditionFalse, 5*time.Minute)
	}, Unknown, ReasonJoining},
	{"joining for too long", "ready", func(c *clinic) {
		c.young("n1", 21*time.Minute)
		c.ready(corev1.ConditionFalse, 21*time.Minute)
	}, Fail, "KubeletNotReady"},
	{"young, and worked before it fell silent", "ready", func(c *clinic) { c.silentYoung("n1") }, Fail, "KubeletSilent"},
	{"young and silent, and only daemons run", "ready", func(c *clinic) {
		worldtest.OwnedBy("DaemonSet", "web")(c.silentYoung("n1"))
	}, Unknown, ReasonJoining},
	{"young and silent, and what runs would run anywhere", "ready", func(c *clinic) {
		c.silentYoung("n1").Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	}, Unknown, ReasonJoining},
	{"young and silent, and nothing was begun", "ready", func(c *clinic) { c.silentYoung("n1").Status.Phase = corev1.PodPending }, Unknown, ReasonJoining},
	{"young and not Ready with pods, and heard", "ready", func(c *clinic) {
		c.silentYoung("n1")
		c.ready(corev1.ConditionFalse, time.Minute)
	}, Unknown, ReasonJoining},
	{"young and examined", "ready", func(c *clinic) {
		c.young("n1", 5*time.Minute)
		set(c.node("n1"), v1alpha1.NodeConditionProblem, corev1.ConditionFalse, c.Now)
		c.ready(corev1.ConditionUnknown, time.Minute)
	}, Fail, "KubeletSilent"},

	{"lease fresh", "lease", func(c *clinic) {}, Pass, ""},
	{"lease unreadable", "lease", func(c *clinic) { c.leasesErr = errors.New("forbidden") }, Unknown, ReasonUnreadable},
	{"no lease", "lease", func(c *clinic) { delete(c.leases, "n1") }, Unknown, ReasonNotFound},
	{"no lease yet", "lease", func(c *clinic) { delete(c.leases, "n1"); c.young("n1", time.Minute) }, Unknown, ReasonJoining},
	{"stale at first sight", "lease", func(c *clinic) { c.leases["n1"] = c.Now.Add(-time.Hour) }, Unknown, "NotWatchedYet"},
	{"stale in one look", "lease", func(c *clinic) { c.history = nil; c.leases["n1"] = c.Now.Add(-time.Hour) }, Fail, "LeaseStale"},
	{"late in one look", "lease", func(c *clinic) { c.history = nil; c.leases["n1"] = c.Now.Add(-25 * time.Second) }, Warn, "LeaseStale"},
	{"the node's clock is ahead", "lease", func(c *clinic) { c.leases["n1"] = c.Now.Add(time.Hour) }, Pass, ""},

	{"no drops", "flapping", func(c *clinic) { c.ready(corev1.ConditionTrue, 2*time.Hour) }, Pass, ""},
	{"nobody watches", "flapping", func(c *clinic) { c.history = nil; c.ready(corev1.ConditionTrue, time.Minute) }, Skip, "NoHistory"},
	{"watched too short", "flapping", func(c *clinic) {
		c.young("n1", 3*time.Hour)
		c.ready(corev1.ConditionTrue, time.Minute)
	}, Unknown, "WatchedTooShort"},
	{"no condition", "flapping", func(c *clinic) { unset(c.node("n1"), corev1.NodeReady) }, Unknown, ReasonNotFound},

	{"no pressure", "pressure", func(c *clinic) {}, Pass, ""},
	{"pressure just now", "pressure", func(c *clinic) {
		set(c.node("n1"), corev1.NodeDiskPressure, corev1.ConditionTrue, c.Now.Add(-time.Minute))
	}, Warn, "Pressure"},
	{"memory pressure stands", "pressure", func(c *clinic) {
		set(c.node("n1"), corev1.NodeMemoryPressure, corev1.ConditionTrue, c.Now.Add(-6*time.Minute))
	}, Fail, "Pressure"},
	{"PID pressure stands", "pressure", func(c *clinic) {
		set(c.node("n1"), corev1.NodePIDPressure, corev1.ConditionTrue, c.Now.Add(-6*time.Minute))
	}, Fail, "Pressure"},
	{"pressure unknown", "pressure", func(c *clinic) {
		c.ready(corev1.ConditionUnknown, time.Minute)
		for _, t := range []corev1.NodeConditionType{corev1.NodeDiskPressure, corev1.NodeMemoryPressure, corev1.NodePIDPressure} {
			set(c.node("n1"), t, corev1.ConditionUnknown, c.Now)
		}
	}, Unknown, "NotReported"},
	{"a foreign condition is True", "pressure", func(c *clinic) {
		set(c.node("n1"), "KernelReady", corev1.ConditionTrue, c.Now.Add(-time.Hour))
	}, Pass, ""},

	{"same version", "version-skew", func(c *clinic) {}, Pass, ""},
	{"two behind", "version-skew", func(c *clinic) { c.node("n1").Status.NodeInfo.KubeletVersion = "v1.34.9" }, Pass, ""},
	{"three behind", "version-skew", func(c *clinic) { c.node("n1").Status.NodeInfo.KubeletVersion = "v1.33.1" }, Warn, "KubeletAtLimit"},
	{"four behind", "version-skew", func(c *clinic) { c.node("n1").Status.NodeInfo.KubeletVersion = "v1.32.1" }, Warn, "KubeletUnsupported"},
	{"newer", "version-skew", func(c *clinic) { c.node("n1").Status.NodeInfo.KubeletVersion = "v1.37.0" }, Fail, "KubeletTooNew"},
	{"newer patch", "version-skew", func(c *clinic) { c.node("n1").Status.NodeInfo.KubeletVersion = "v1.36.9" }, Pass, ""},
	{"control plane unknown", "version-skew", func(c *clinic) { c.controlPlane = "" }, Unknown, "ControlPlaneUnknown"},
	{"kubelet says nothing", "version-skew", func(c *clinic) { c.node("n1").Status.NodeInfo.KubeletVersion = "" }, Unknown, ReasonUnreadable},

	{"system pods run", "system-pods", func(c *clinic) {}, Pass, ""},
	{"one not Ready", "system-pods", func(c *clinic) {
		c.addDaemonSet("csi", "system-node-critical")
		c.addSystemPod("csi", "n1", corev1.ConditionFalse)
	}, Fail, "SystemPodsNotReady"},
	{"one more, in an update with a surge", "system-pods", func(c *clinic) {
		more := c.addSystemPod("kube-proxy", "n1", corev1.ConditionFalse)
		more.Name = "kube-proxy-a" // before the one that is Ready
	}, Pass, ""},
	{"one missing, just now", "system-pods", func(c *clinic) { c.addDaemonSet("csi", "system-node-critical") }, Warn, "SystemPodsNotReady"},
	{"one missing on a new node", "system-pods", func(c *clinic) {
		c.addDaemonSet("csi", "system-node-critical")
		c.young("n1", time.Minute)
	}, Unknown, ReasonJoining},
	{"a lesser one crashes", "system-pods", func(c *clinic) {
		c.addDaemonSet("logs", "")
		c.addSystemPod("logs", "n1", corev1.ConditionFalse)
	}, Warn, "SystemPodsNotReady"},
	{"one is not for this node", "system-pods", func(c *clinic) {
		c.addDaemonSet("gpu", "system-node-critical").Spec.Template.Spec.NodeSelector = map[string]string{"gpu": "true"}
	}, Pass, ""},
	{"one is repelled by a taint", "system-pods", func(c *clinic) {
		c.addDaemonSet("csi", "system-node-critical")
		c.node("n1").Spec.Taints = []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
	}, Pass, ""},
	{"a cordon repels nobody", "system-pods", func(c *clinic) {
		c.addDaemonSet("csi", "system-node-critical")
		c.node("n1").Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}}
	}, Warn, "SystemPodsNotReady"},
	{"not Ready", "system-pods", func(c *clinic) { c.ready(corev1.ConditionFalse, time.Hour) }, Skip, ReasonNotApplicable},

	{"pods start", "pods-starting", func(c *clinic) { c.start("n1", "web", 5*time.Minute) }, Pass, ""},
	{"one waits", "pods-starting", func(c *clinic) { c.start("n1", "web", 11*time.Minute) }, Warn, "PodsNotStarting"},
	{"three wait everywhere", "pods-starting", func(c *clinic) {
		for _, owner := range []string{"a", "b", "c"} {
			c.start("n1", owner, 11*time.Minute)
			c.start("n2", owner, 11*time.Minute)
		}
	}, Warn, "PodsNotStarting"},
	{"three wait here alone", "pods-starting", func(c *clinic) {
		for _, owner := range []string{"a", "b", "c"} {
			c.start("n1", owner, 11*time.Minute)
			c.start("n2", owner, 0)
		}
	}, Fail, "PodsStartElsewhere"},

	{"pods end", "pods-terminating", func(c *clinic) { c.terminating(5, 9*time.Minute) }, Pass, ""},
	{"one stays", "pods-terminating", func(c *clinic) { c.terminating(1, 11*time.Minute) }, Warn, "PodsNotTerminating"},
	{"three stay", "pods-terminating", func(c *clinic) { c.terminating(3, 11*time.Minute) }, Fail, "PodsNotTerminating"},
	{"finalizers hold them", "pods-terminating", func(c *clinic) { c.terminating(3, 11*time.Minute, "example.com/hold") }, Pass, ""},

	{"images come", "image-pulls", func(c *clinic) { c.pull("n1", "a", "img:1", true) }, Pass, ""},
	{"a misspelt image", "image-pulls", func(c *clinic) { c.pull("n1", "a", "imgg:1", false) }, Warn, "ImagePullFailing"},
	{"three images fail everywhere", "image-pulls", func(c *clinic) {
		for i := range 3 {
			c.pull("n1", fmt.Sprintf("a%d", i), fmt.Sprintf("img:%d", i), false)
			c.pull("n2", fmt.Sprintf("b%d", i), fmt.Sprintf("img:%d", i), false)
		}
	}, Warn, "ImagePullFailing"},

	{"room", "pod-capacity", func(c *clinic) {}, Pass, ""},
	{"full", "pod-capacity", func(c *clinic) {
		for i := range 100 {
			c.AddPod(fmt.Sprintf("p%d", i), "0", "0", worldtest.On("n1"))
		}
	}, Warn, "PodsNearCapacity"},
	{"ended pods take no room", "pod-capacity", func(c *clinic) {
		for i := range 100 {
			c.AddPod(fmt.Sprintf("p%d", i), "0", "0", worldtest.On("n1")).Status.Phase = corev1.PodSucceeded
		}
	}, Pass, ""},
	{"not reported", "pod-capacity", func(c *clinic) { c.node("n1").Status.Allocatable = nil }, Unknown, "NotReported"},
}
