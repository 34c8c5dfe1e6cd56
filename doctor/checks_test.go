package doctor

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

func TestListIsWhole(t *testing.T) {
	kebab := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := map[string]bool{}
	for _, c := range append(Checks(), HostChecks()...) {
		if !kebab.MatchString(c.ID) || seen[c.ID] {
			t.Errorf("ID %q is not kebab-case or not unique", c.ID)
		}
		seen[c.ID] = true
		if c.Title == "" || c.Remedy == "" || c.Run == nil || c.Evidence == EvidenceUnknown {
			t.Errorf("%s lacks a title, a remedy, a Run or its evidence", c.ID)
		}
		if (c.Limits.Warn > 0 || c.Limits.Fail > 0) && (c.Limits.Source == "" || c.Unit == "") {
			t.Errorf("%s has limits without source or unit", c.ID)
		}
		if c.Limits.Fail > 0 && c.Limits.Warn > c.Limits.Fail {
			t.Errorf("%s warns later than it fails", c.ID)
		}
		if c.Action == ActionReplace && c.Evidence != EvidenceLevel {
			t.Errorf("%s may replace on evidence of class %s", c.ID, c.Evidence)
		}
	}
}

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

func TestChecks(t *testing.T) {
	for _, s := range stories {
		t.Run(s.check+"/"+s.name, func(t *testing.T) {
			c := newClinic()
			c.addNode("n1")
			c.addNode("n2")
			s.tell(c)
			who := "n1"
			if c.instance("m1") != nil {
				who = string(worldtest.InstanceID("m1"))
			}
			f := c.caseOf(t, who).finding(t, s.check)
			if f.State != s.state || f.Reason != s.reason {
				t.Fatalf("got %s %s %q, want %s %s", f.State, f.Reason, f.Message, s.state, s.reason)
			}
			if (f.State == Fail || f.State == Warn) && (f.Message == "" || f.Remedy == "") {
				t.Errorf("a finding without a message or a remedy: %+v", f)
			}
		})
	}
}

// Every check of the list has a story in which it does more than pass.
func TestEveryCheckHasAStory(t *testing.T) {
	told := map[string]map[State]bool{}
	for _, s := range stories {
		if told[s.check] == nil {
			told[s.check] = map[State]bool{}
		}
		told[s.check][s.state] = true
	}
	for _, c := range Checks() {
		if s := told[c.ID]; !s[Fail] && !s[Warn] && c.ID != flapping.ID {
			t.Errorf("no story in which %s fails or warns", c.ID)
		}
	}
}

// Messages are written to the API: they must not tick.
func TestMessagesDoNotTick(t *testing.T) {
	for _, s := range stories {
		c := newClinic()
		c.addNode("n1")
		c.addNode("n2")
		s.tell(c)
		before := c.examine(t)
		c.Now = c.Now.Add(time.Second)
		after := c.examine(t)
		for i := range before {
			for j, f := range before[i].Findings {
				g := after[i].Findings[j]
				if f.State == g.State && f.Reason == g.Reason && f.Message != g.Message {
					t.Errorf("%s/%s: %q became %q a second later", s.check, s.name, f.Message, g.Message)
				}
			}
		}
	}
}

func TestImagesThatRunElsewhereFailOnceConfirmed(t *testing.T) {
	c := newClinic()
	c.addNode("n1")
	c.addNode("n2")
	for i := range 3 {
		c.pull("n1", fmt.Sprintf("a%d", i), fmt.Sprintf("img:%d", i), false)
		c.pull("n2", fmt.Sprintf("b%d", i), fmt.Sprintf("img:%d", i), true)
	}
	if f := c.caseOf(t, "n1").finding(t, imagePulls.ID); f.State != Warn || !f.Unconfirmed {
		t.Fatalf("at first sight: %+v, want an unconfirmed warning", f)
	}
	c.Now = c.Now.Add(imagePulls.Confirm)
	c.leases["n1"], c.leases["n2"] = c.Now, c.Now
	if f := c.caseOf(t, "n1").finding(t, imagePulls.ID); f.State != Fail || f.Reason != "ImagesRunElsewhere" {
		t.Fatalf("after %s: %+v, want a failure", imagePulls.Confirm, f)
	}
	if f := c.caseOf(t, "n2").finding(t, imagePulls.ID); f.State != Pass {
		t.Errorf("the node on which they run: %+v", f)
	}
}

func TestFlappingCountsDropsBetweenLooks(t *testing.T) {
	c := newClinic()
	c.addNode("n1")
	for i := range 3 {
		if f := c.caseOf(t, "n1").finding(t, flapping.ID); f.State == Warn {
			t.Fatalf("warned after %d drops", i)
		}
		c.Now = c.Now.Add(time.Minute)
		c.leases["n1"] = c.Now
		c.ready(corev1.ConditionTrue, 10*time.Second) // it was lost and came back unseen
	}
	x := c.caseOf(t, "n1")
	if f := x.finding(t, flapping.ID); f.State != Warn || f.Observed != "3 drops" {
		t.Fatalf("after three drops: %+v", f)
	}
	if x.Verdict.Status != corev1.ConditionFalse {
		t.Errorf("a count in memory took the node out: %+v", x.Verdict)
	}
	c.Now = c.Now.Add(flapWindow + time.Minute)
	if f := c.caseOf(t, "n1").finding(t, flapping.ID); f.State != Pass {
		t.Errorf("an hour later: %+v", f)
	}
}

// The lease carries the node's clock; whether it is renewed is seen by ours.
func TestLeaseSurvivesAWrongClock(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, 0, time.Hour} {
		c := newClinic()
		c.addNode("n1")
		for range 10 {
			c.leases["n1"] = c.Now.Add(off)
			if f := c.caseOf(t, "n1").finding(t, lease.ID); f.State == Fail {
				t.Fatalf("clock off by %s: a renewed lease fails: %+v", off, f)
			}
			c.Now = c.Now.Add(30 * time.Second)
		}
		c.Now = c.Now.Add(time.Minute)
		if f := c.caseOf(t, "n1").finding(t, lease.ID); f.State != Fail && !f.Unconfirmed {
			t.Errorf("clock off by %s: a dead lease is %+v", off, f)
		}
		c.Now = c.Now.Add(time.Minute)
		if f := c.caseOf(t, "n1").finding(t, lease.ID); f.State != Fail {
			t.Errorf("clock off by %s: a lease dead for minutes is %+v", off, f)
		}
	}
}

func TestLeavingNodesAreSkipped(t *testing.T) {
	c := newClinic()
	c.addNode("n1")
	c.ready(corev1.ConditionUnknown, time.Hour)
	c.instance("n1").State = cloudprovider.Deleting
	x := c.caseOf(t, "n1")
	for _, f := range x.Findings {
		if f.State != Skip || f.Reason != ReasonLeaving {
			t.Errorf("%s looked at a node that is being deleted: %+v", f.Check, f)
		}
	}
	if x.Verdict.Status != "" {
		t.Errorf("verdict %+v on a node that is being deleted", x.Verdict)
	}
}

func TestCamel(t *testing.T) {
	for id, want := range map[string]string{"ready": "Ready", "image-pulls": "ImagePulls", "a-b-c": "ABC"} {
		if got := Camel(id); got != want || strings.Contains(got, "-") {
			t.Errorf("Camel(%q) = %q, want %q", id, got, want)
		}
	}
}
