package doctor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
)

func repairs(mode v1alpha1.RepairMode) func(*v1alpha1.Pool) {
	return func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: mode} }
}

// ward has nodes n1 to n<n> of a pool whose repair is on; n1 is silent and
// condemned for 11 minutes.
func ward(n int, opts ...func(*v1alpha1.Pool)) *clinic {
	c := newClinic(append([]func(*v1alpha1.Pool){repairs(v1alpha1.RepairOn)}, opts...)...)
	for i := range n {
		c.addNode(fmt.Sprintf("n%d", i+1))
	}
	c.condemn("n1", 11*time.Minute)
	return c
}

// condemn makes a node silent, as it was found then and has been seen since.
func (c *clinic) condemn(node string, ago time.Duration) {
	set(c.node(node), corev1.NodeReady, corev1.ConditionUnknown, c.Now.Add(-ago))
	c.condemnFor(node, ready.ID, ago)
}

func (c *clinic) condemnFor(node, check string, ago time.Duration) {
	set(c.node(node), v1alpha1.NodeConditionProblem, corev1.ConditionTrue, c.Now.Add(-ago))
	for i := range c.node(node).Status.Conditions {
		if stands := &c.node(node).Status.Conditions[i]; stands.Type == v1alpha1.NodeConditionProblem {
			stands.Reason, stands.LastHeartbeatTime = Camel(check), metav1.NewTime(c.Now)
		}
	}
}

// roomy lets every node of the pool and of the zone be broken.
func (c *clinic) roomy() {
	all, hundred := intstr.FromString("100%"), int32(100)
	c.pool().Spec.Repair.MaxBroken = &all
	c.pool().Spec.Repair.Brake = &v1alpha1.BrakeSpec{MaxBrokenInCluster: &hundred, MaxBrokenInZone: &hundred}
}

// remember puts a sign of a common cause on the Pool's record.
func (c *clinic) remember(reason BrakeReason, ago time.Duration) {
	c.pool().Status.Repair = &v1alpha1.RepairStatus{Brake: &v1alpha1.BrakeRecord{Reason: string(reason), Message: "it was", LastSign: metav1.NewTime(c.Now.Add(-ago))}}
}

// repaired puts a repair on the Pool's record.
func (c *clinic) repaired(node string, action v1alpha1.RepairAction, check string, ago time.Duration) {
	c.pool().Status.Repair = &v1alpha1.RepairStatus{Recent: []v1alpha1.RecentRepair{{Node: node, Action: action, Check: check, At: metav1.NewTime(c.Now.Add(-ago))}}}
}

func (c *clinic) pool() *v1alpha1.Pool { return &c.Objects.Pools[0] }

func (c *clinic) request(node, value string) {
	c.node(node).Annotations[v1alpha1.AnnotationCycle] = value
}

func TestDecideOnOneNode(t *testing.T) {
	own := "doctor/reboot/ready/2026-03-01T11:49:00Z"
	for _, c := range []struct {
		name   string
		tell   func(c *clinic)
		act    Act
		reason RepairReason
		silent bool // nothing is said at all
	}{
		{name: "broken long enough", tell: func(c *clinic) {}, act: ActRequest},
		{name: "dry run", tell: func(c *clinic) { c.pool().Spec.Repair.Mode = v1alpha1.RepairDryRun }, act: ActReport},
		{name: "repair off", tell: func(c *clinic) { c.pool().Spec.Repair.Mode = v1alpha1.RepairOff }, silent: true},
		{name: "no repair spec", tell: func(c *clinic) { c.pool().Spec.Repair = nil }, silent: true},
		{name: "well", tell: func(c *clinic) { c.ready(corev1.ConditionTrue, time.Hour) }, silent: true},
		{name: "condemned 4 minutes ago", tell: func(c *clinic) { c.condemn("n1", 4*time.Minute) }, reason: ReasonTooEarly},
		{name: "condemned 9 minutes ago, and it would be replaced", tell: func(c *clinic) {
			c.condemn("n1", 9*time.Minute)
			c.pool().Spec.Repair.Actions = []v1alpha1.RepairAction{v1alpha1.ActionReplace}
		}, reason: ReasonTooEarly},
		{name: "it may spread", tell: func(c *clinic) {
			c.roomy()
			c.condemn("n1", 40*time.Minute)
			c.condemn("n2", 5*time.Minute)
			c.pool().Spec.Repair.Actions = []v1alpha1.RepairAction{v1alpha1.ActionReplace}
		}, reason: ReasonSpreading},
		{name: "condemned long ago for something else", tell: func(c *clinic) { c.ready(corev1.ConditionUnknown, time.Minute) }, reason: ReasonTooEarly},
		{name: "silent for long, condemned just now", tell: func(c *clinic) {
			set(c.node("n1"), v1alpha1.NodeConditionProblem, corev1.ConditionFalse, c.Now.Add(-time.Hour))
		}, reason: ReasonTooEarly},
		{name: "the user waits longer", tell: func(c *clinic) { c.pool().Spec.Repair.After = &metav1.Duration{Duration: time.Hour} }, reason: ReasonTooEarly},
		{name: "the user waits less, and it was seen once", tell: func(c *clinic) {
			c.condemn("n1", time.Minute)
			c.pool().Spec.Repair.After = &metav1.Duration{Duration: 30 * time.Second}
		}, reason: ReasonNotProven},
		{name: "the user waits less, and another monitor says so too", tell: func(c *clinic) {
			c.condemn("n1", time.Minute)
			set(c.node("n1"), "KernelDeadlock", corev1.ConditionTrue, c.Now.Add(-time.Minute))
			c.pool().Spec.Repair.After = &metav1.Duration{Duration: 30 * time.Second}
		}, act: ActRequest},
		{name: "new", tell: func(c *clinic) {
			c.young("n1", 15*time.Minute)
			c.condemn("n1", 11*time.Minute)
		}, reason: ReasonTooYoung},
		{name: "a new one with GPUs", tell: func(c *clinic) {
			c.Cloud.Pools[0].Shape = "VM.GPU.A10.1"
			c.young("n1", 40*time.Minute)
			c.condemn("n1", 11*time.Minute)
		}, reason: ReasonTooYoung},
		{name: "pressure alone", tell: func(c *clinic) {
			c.ready(corev1.ConditionTrue, time.Hour)
			set(c.node("n1"), corev1.NodeMemoryPressure, corev1.ConditionTrue, c.Now.Add(-time.Hour))
		}, reason: ReasonNotRepairable},
		{name: "marked", tell: func(c *clinic) { kube.SetMark(c.node("n1"), kube.Mark{Cause: kube.CauseCycle}) }, reason: ReasonMarked},
		{name: "mark unreadable", tell: func(c *clinic) { c.node("n1").Annotations[v1alpha1.AnnotationDisruption] = "{" }, reason: ReasonMarked},
		{name: "a person has asked", tell: func(c *clinic) { c.request("n1", "please") }, reason: ReasonRequested},
		{name: "we have asked", tell: func(c *clinic) { c.request("n1", own) }, reason: ReasonRequested},
		{name: "do not disrupt", tell: func(c *clinic) { c.node("n1").Annotations[v1alpha1.AnnotationDoNotDisrupt] = "true" }, reason: ReasonDoNotDisrupt},
		{name: "do not disrupt, misspelt", tell: func(c *clinic) { c.node("n1").Annotations[v1alpha1.AnnotationDoNotDisrupt] = "treu" }, reason: ReasonDoNotDisrupt},
		{name: "paused", tell: func(c *clinic) { c.pool().Annotations = map[string]string{v1alpha1.AnnotationPause: ""} }, reason: ReasonPaused},
		{name: "autoscaler deletes it", tell: func(c *clinic) {
			c.node("n1").Spec.Taints = []corev1.Taint{{Key: "ToBeDeletedByClusterAutoscaler", Effect: corev1.TaintEffectNoSchedule}}
		}, reason: ReasonOtherController},
		// Its machine stands still, and tidemill has said so on the Node a minute later. The
		// doctor took that for another controller's word, and let the machine lie for good.
		{name: "tidemill has taken it out of service", tell: func(c *clinic) {
			c.instance("n1").State = cloudprovider.Stopped
			kube.TakeOutOfService(c.node("n1"))
		}, act: ActRequest},
		{name: "a person has taken it out of service", tell: func(c *clinic) {
			c.instance("n1").State = cloudprovider.Stopped
			c.node("n1").Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}}
		}, reason: ReasonOtherController},
		{name: "OKE repairs it", tell: func(c *clinic) { c.node("n1").Annotations["oci.oraclecloud.com/nodeautorepair-state"] = "Rebooting" }, reason: ReasonOtherController},
		{name: "an OKE operation is asked for", tell: func(c *clinic) { c.node("n1").Labels["oke.oraclecloud.com/node_operation"] = "reboot" }, reason: ReasonOtherController},
		{name: "cloud away", tell: func(c *clinic) { c.Cloud.Err = errors.New("timeout") }, reason: ReasonBraked},
		{name: "machine gone", tell: func(c *clinic) { c.instance("n1").ID = "ocid1.instance.oc1..other" }, reason: ReasonNoInstance},

		{name: "healed after we asked", tell: func(c *clinic) {
			c.request("n1", own)
			c.ready(corev1.ConditionTrue, time.Second)
		}, act: ActWithdraw, reason: ReasonHealed},
		{name: "healed after a person asked", tell: func(c *clinic) {
			c.request("n1", "please")
			c.ready(corev1.ConditionTrue, time.Second)
		}, silent: true},
		{name: "healed when the drain had begun", tell: func(c *clinic) {
			c.request("n1", own)
			kube.SetMark(c.node("n1"), kube.Mark{Cause: kube.CauseRepair})
			c.ready(corev1.ConditionTrue, time.Second)
		}, silent: true},
		{name: "repair switched off after we asked", tell: func(c *clinic) {
			c.request("n1", own)
			c.pool().Spec.Repair = nil
		}, act: ActWithdraw, reason: ReasonRepairOff},
		{name: "the brake closed after we asked", tell: func(c *clinic) {
			c.request("n1", own)
			c.condemn("n2", time.Minute)
			c.condemn("n3", time.Minute)
		}, act: ActWithdraw, reason: ReasonBraked},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := ward(5)
			c.tell(k)
			_, plan := k.decide(t)
			for _, r := range plan.Repairs {
				if r.Node.Name() != "n1" {
					continue
				}
				if c.silent || r.Act != c.act || r.Reason != c.reason {
					t.Errorf("got %s %s %q, want %s %s silent=%v", r.Act, r.Reason, r.Message, c.act, c.reason, c.silent)
				}
				if r.Act == ActNone && r.Message == "" {
					t.Error("a refusal without a message")
				}
				return
			}
			if !c.silent {
				t.Errorf("nothing decided, want %s %s", c.act, c.reason)
			}
		})
	}
}

func TestRequestSaysWhoWhyAndSince(t *testing.T) {
	_, plan := ward(5).decide(t)
	r := plan.Repairs[0]
	if got := (kube.RepairRequest{Action: r.Action, Check: r.Check, Since: r.Since}).String(); got != "doctor/reboot/ready/2026-03-01T11:49:00Z" {
		t.Errorf("value %q", got)
	}
}

func TestBrakeArithmetic(t *testing.T) {
	number, percent := intstr.FromInt32(3), intstr.FromString("50%")
	zero, garbage := intstr.FromInt32(0), intstr.FromString("some")
	for _, c := range []struct {
		name          string
		nodes, broken int
		maxBroken     *intstr.IntOrString
		closed        bool
		message       string
	}{
		{"none of five", 5, 0, nil, false, "0 of 5 nodes fail; at most 1 = maxBroken 20% of 5, rounded down, at least 1"},
		{"one of five", 5, 1, nil, false, "1 of 5 nodes fail (ready 1); at most 1 = maxBroken 20% of 5, rounded down, at least 1"},
		{"two of five", 5, 2, nil, true, "2 of 5 nodes fail (ready 2); at most 1 = maxBroken 20% of 5, rounded down, at least 1"},
		{"the only one", 1, 1, nil, false, "1 of 1 nodes fail (ready 1); at most 1 = maxBroken 20% of 1, rounded down, at least 1"},
		{"one of two", 2, 1, nil, false, "1 of 2 nodes fail (ready 1); at most 1 = maxBroken 20% of 2, rounded down, at least 1"},
		{"20% of 14 is 2", 14, 2, nil, false, "2 of 14 nodes fail (ready 2); at most 2 = maxBroken 20% of 14, rounded down, at least 1"},
		{"and not 3", 14, 3, nil, true, "3 of 14 nodes fail (ready 3); at most 2 = maxBroken 20% of 14, rounded down, at least 1"},
		{"a number", 10, 3, &number, false, "3 of 10 nodes fail (ready 3); at most 3 = maxBroken"},
		{"one more than the number", 12, 4, &number, true, "4 of 12 nodes fail (ready 4); at most 3 = maxBroken"},
		{"zero repairs nothing", 5, 1, &zero, true, "1 of 5 nodes fail (ready 1); at most 0 = maxBroken"},
		{"half, but it is all of the zone", 10, 6, &percent, true, "6 of 10 nodes fail (ready 6); at most 5 = maxBroken 50% of 10, rounded down, at least 1"},
		{"half is asked for", 20, 6, &percent, false, "6 of 20 nodes fail (ready 6); at most 10 = maxBroken 50% of 20, rounded down, at least 1"},
		{"unreadable", 5, 1, &garbage, true, `1 of 5 nodes fail (ready 1); at most 0 = maxBroken "some", which is neither a number nor a percentage`},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newClinic(repairs(v1alpha1.RepairOn), func(p *v1alpha1.Pool) { p.Spec.Repair.MaxBroken = c.maxBroken })
			for i := range c.nodes {
				k.addNode(fmt.Sprintf("n%d", i+1))
			}
			for i := range c.broken {
				k.condemn(fmt.Sprintf("n%d", i+1), time.Hour)
			}
			_, plan := k.decide(t)
			b := plan.Brakes[0]
			if b.Closed != c.closed || b.Message != c.message {
				t.Errorf("closed=%v %s\n got %q\nwant %q", b.Closed, b.Reason, b.Message, c.message)
			}
			for _, r := range plan.Repairs {
				if r.Act == ActRequest && c.closed {
					t.Errorf("a request for %s while the brake is closed", r.Node.Name())
				}
			}
		})
	}
}

func TestBrakeCauses(t *testing.T) {
	for _, c := range []struct {
		name   string
		tell   func(c *clinic)
		reason BrakeReason
	}{
		{"nothing in common", func(c *clinic) {}, BrakeOpen},
		{"cloud away", func(c *clinic) { c.Cloud.Err = errors.New("timeout") }, BrakeCloud},
		{"pool unreadable", func(c *clinic) { c.Cloud.Pools[0].Health.Err = errors.New("500") }, BrakeCloud},
		{"a machine did not join", func(c *clinic) { c.AddInstance("workers", "m1", cloudprovider.Running) }, BrakeOpen},
		{"two machines did not join", func(c *clinic) {
			for _, name := range []string{"m1", "m2"} {
				c.AddInstance("workers", name, cloudprovider.Running).Created = c.Now.Add(-30 * time.Minute)
			}
		}, BrakeNotJoining},
		{"two machines did not join, a later one did", func(c *clinic) {
			for _, name := range []string{"m1", "m2"} {
				c.AddInstance("workers", name, cloudprovider.Running).Created = c.Now.Add(-2 * time.Hour)
			}
		}, BrakeOpen},
		{"a machine still joins", func(c *clinic) {
			c.AddInstance("workers", "m1", cloudprovider.Running).Created = c.Now.Add(-time.Minute)
		}, BrakeOpen},
		{"no capacity is another's concern", func(c *clinic) { c.AddInstance("workers", "m1", cloudprovider.Failed) }, BrakeOpen},
		{"two nodes were never Ready", func(c *clinic) {
			for _, name := range []string{"n2", "n3"} {
				n := c.young(name, 50*time.Minute)
				set(n, corev1.NodeReady, corev1.ConditionFalse, n.CreationTimestamp.Time)
			}
		}, BrakeNotJoining},
		{"one that worked before anybody examined it is silent, too", func(c *clinic) { c.silentYoung("n2") }, BrakeTooManyBroken},
		{"three began to be silent within ten minutes", func(c *clinic) {
			c.roomy()
			c.condemn("n2", 8*time.Minute)
			c.condemn("n3", 2*time.Minute)
		}, BrakeSameFault},
		{"three began to be silent in half an hour", func(c *clinic) {
			c.roomy()
			c.condemn("n2", 22*time.Minute)
			c.condemn("n3", 33*time.Minute)
		}, BrakeOpen},
		{"it was over twenty minutes ago", func(c *clinic) { c.remember(BrakeZone, 20*time.Minute) }, BrakeZone},
		{"it was over half an hour ago", func(c *clinic) { c.remember(BrakeZone, 30*time.Minute) }, BrakeOpen},
		{"we were blind", func(c *clinic) {
			for _, ago := range []time.Duration{8, 5, 2} {
				c.history.Blind(c.Now.Add(-ago * time.Minute))
			}
		}, BrakeBlind},
		{"we were blind once", func(c *clinic) { c.history.Blind(c.Now.Add(-time.Minute)) }, BrakeOpen},
		{"the replacement fails as the node did", func(c *clinic) {
			c.repaired("gone", v1alpha1.ActionReplace, ready.ID, 50*time.Minute)
			c.young("n1", 45*time.Minute)
			c.condemn("n1", 11*time.Minute)
		}, BrakeNoHelp},
		{"the replacement fails otherwise", func(c *clinic) {
			c.repaired("gone", v1alpha1.ActionReplace, systemPods.ID, 50*time.Minute)
			c.young("n1", 45*time.Minute)
			c.condemn("n1", 11*time.Minute)
		}, BrakeOpen},
		{"nodes that leave do not count", func(c *clinic) {
			for _, n := range []string{"n2", "n3", "n4"} {
				c.condemn(n, time.Hour)
				c.instance(n).State = cloudprovider.Deleting
			}
		}, BrakeOpen},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := ward(5)
			c.tell(k)
			_, plan := k.decide(t)
			if b := plan.Brakes[0]; b.Reason != c.reason || b.Closed != (c.reason != BrakeOpen) {
				t.Errorf("got %+v, want %s", b, c.reason)
			}
		})
	}
}

// A fault that many nodes of the cluster share brakes the pools that have it,
// and leaves the others alone: one bad thing stays one bad thing.
func TestCommonFaultBrakesThePoolsThatHaveIt(t *testing.T) {
	k := ward(1)
	k.AddPool("others", "4", "16Gi", repairs(v1alpha1.RepairOn))
	k.AddPool("well", "4", "16Gi", repairs(v1alpha1.RepairOn))
	for i := range 4 {
		name := fmt.Sprintf("o%d", i)
		k.AddNode("others", name)
		k.condemn(name, time.Hour)
	}
	k.AddNode("well", "w1")
	_, plan := k.decide(t)
	got := map[string]BrakeReason{}
	for _, b := range plan.Brakes {
		got[b.Pool.Name] = b.Reason
	}
	if got["workers"] != BrakeZone || got["others"] != BrakeTooManyBroken || got["well"] != BrakeOpen {
		t.Errorf("brakes: %v", got)
	}
}

// Whatever happens to the nodes, no node is asked for twice, and never more
// nodes of a pool stand requested than may be broken.
func TestRepairNeverAsksTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := ward(5)
		k.ready(corev1.ConditionTrue, time.Hour)
		set(k.node("n1"), v1alpha1.NodeConditionProblem, corev1.ConditionFalse, k.Now.Add(-time.Hour))
		for range rapid.IntRange(1, 30).Draw(rt, "looks") {
			name := fmt.Sprintf("n%d", rapid.IntRange(1, 5).Draw(rt, "node"))
			status := rapid.SampledFrom([]corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionUnknown}).Draw(rt, "ready")
			if k.node(name).Status.Conditions[0].Status != status {
				set(k.node(name), corev1.NodeReady, status, k.Now)
			}
			k.Now = k.Now.Add(time.Duration(rapid.IntRange(1, 15).Draw(rt, "minutes")) * time.Minute)
			for n := range k.leases {
				k.leases[n] = k.Now
			}
			_, plan := k.decide(t)
			k.obey(rt, plan)
		}
	})
}

// obey does what the plan says to the world, and fails on a second request.
func (c *clinic) obey(t *rapid.T, plan Plan) {
	for _, p := range plan.Publish {
		at := c.Now
		if old := p.Node.Condition(v1alpha1.NodeConditionProblem); old != nil && old.Status == p.Condition.Status {
			at = old.LastTransitionTime.Time
		}
		set(c.node(p.Node.Name()), v1alpha1.NodeConditionProblem, p.Condition.Status, at)
	}
	for _, r := range plan.Repairs {
		n := c.node(r.Node.Name())
		switch r.Act {
		case ActRequest:
			if n.Annotations[v1alpha1.AnnotationCycle] != "" {
				t.Fatalf("%s was asked for twice", n.Name)
			}
			c.request(n.Name, kube.RepairRequest{Action: r.Action, Check: r.Check, Since: r.Since}.String())
		case ActWithdraw:
			delete(n.Annotations, v1alpha1.AnnotationCycle)
		}
	}
	asked := 0
	for _, n := range c.Objects.Nodes {
		if strings.HasPrefix(n.Annotations[v1alpha1.AnnotationCycle], kube.RepairPrefix) {
			asked++
		}
	}
	if asked > 1 {
		t.Fatalf("%d of 5 nodes stand requested, at most 1 may", asked)
	}
}
