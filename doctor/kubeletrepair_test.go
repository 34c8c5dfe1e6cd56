package doctor

import (
	"fmt"
	"math"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// aching is a ward whose kubelets are all Ready, and n1's has said for 11 minutes
// that its loop stands still.
func aching(n int) *clinic {
	c := ward(n)
	c.kubelets = map[string]*KubeletView{}
	for i := range n {
		c.kubelets[fmt.Sprintf("n%d", i+1)] = &KubeletView{At: c.Now, Healthy: true, Metrics: c.soundMetrics()}
	}
	c.ache("n1", 11*time.Minute)
	return c
}

func (c *clinic) soundMetrics() *KubeletMetrics {
	return &KubeletMetrics{Started: c.Now.Add(-time.Hour), PLEGSeen: c.Now, ClientTTL: 300 * 86400, ServerTTL: math.NaN()}
}

func (c *clinic) ache(node string, ago time.Duration) {
	set(c.node(node), corev1.NodeReady, corev1.ConditionTrue, c.Now.Add(-time.Hour))
	c.condemnFor(node, kubeletHealth.ID, ago)
	c.kubelets[node] = &KubeletView{At: c.Now, Health: healthText, Metrics: c.soundMetrics()}
	c.runner.failing = map[call]time.Time{}
	for i := range c.Objects.Nodes {
		p := Patient{Node: &world.Node{Object: &c.Objects.Nodes[i]}}
		c.runner.failing[call{kubeletHealth.ID, p.key()}] = c.Now.Add(-ago) // as long as the daemon runs
	}
}

// A kubelet's own word that it is unwell, seen three times, may restart its node.
// It never destroys anything, and nobody else's word does as much.
func TestIllKubeletMayBeRestarted(t *testing.T) {
	seen := func(c *clinic, looks int) { // before the one that decides
		for range looks {
			c.decide(t)
			c.Now = c.Now.Add(confirmEvery)
			for _, v := range c.kubelets {
				v.At = c.Now
			}
		}
	}
	unseen := func(c *clinic) { // a verdict that has just been written confirms nothing
		for i := range c.node("n1").Status.Conditions {
			if stands := &c.node("n1").Status.Conditions[i]; stands.Type == v1alpha1.NodeConditionProblem {
				stands.LastHeartbeatTime = stands.LastTransitionTime
			}
		}
	}
	for _, x := range []struct {
		name   string
		tell   func(c *clinic)
		act    Act
		reason RepairReason
	}{
		{"three times", func(c *clinic) { unseen(c); seen(c, 2) }, ActRequest, ""},
		{"twice", func(c *clinic) { unseen(c); seen(c, 1) }, ActNone, ReasonNotProven},
		{"once", unseen, ActNone, ReasonNotProven},
		{"once, and the host says so too", func(c *clinic) {
			unseen(c)
			c.says(time.Minute, failing("disk-space", c.Now.Add(-time.Hour)))
		}, ActRequest, ""},
		{"once, and a line of the host's log", func(c *clinic) {
			unseen(c)
			c.says(time.Minute, failing("kernel-disk", c.Now.Add(-10*time.Minute)), failing("nic-errors", c.Now.Add(-10*time.Minute)))
		}, ActNone, ReasonNotProven},
		{"once, and in more words of its own", func(c *clinic) {
			unseen(c)
			c.kubelets["n1"].Metrics.PLEGSeen = c.Now.Add(-4 * time.Minute)
		}, ActNone, ReasonNotProven},
		{"once, and not Ready by its own word", func(c *clinic) {
			set(c.node("n1"), corev1.NodeReady, corev1.ConditionFalse, c.Now.Add(-11*time.Minute))
			unseen(c)
		}, ActNone, ReasonNotProven},
		{"not for long", func(c *clinic) { c.ache("n1", 4*time.Minute) }, ActNone, ReasonTooEarly},
		{"the verdict is another's", func(c *clinic) { c.condemnFor("n1", "image-pulls", time.Hour) }, ActNone, ReasonNotRepairable},
		{"it was restarted, in vain", func(c *clinic) {
			c.tried(time.Hour, kube.RepairReboot)
			c.ache("n1", 2*time.Hour)
		}, ActNone, ReasonExhausted},
		{"only a replacement is allowed", func(c *clinic) {
			c.pool().Spec.Repair.Actions = []v1alpha1.RepairAction{v1alpha1.ActionReplace}
		}, ActNone, ReasonNotAllowed},
		{"three at once", func(c *clinic) {
			c.roomy()
			for _, n := range []string{"n1", "n2", "n3"} {
				c.ache(n, 11*time.Minute)
			}
		}, ActNone, ReasonBraked},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := aching(12)
			x.tell(c)
			_, plan := c.decide(t)
			r := repairOf(plan, "n1")
			if r == nil || r.Act != x.act || r.Reason != x.reason {
				t.Fatalf("got %+v, want %s %s", r, x.act, x.reason)
			}
			if r.Act == ActRequest && r.Action != kube.RepairReboot {
				t.Errorf("asks for %s", r.Action)
			}
		})
	}
	for _, view := range []KubeletView{{HealthErr: errDeaf}, {Health: "503 Service Unavailable"}, {HealthErr: errRefused}} {
		c := aching(12)
		v := view
		v.At = c.Now
		c.kubelets["n1"] = &v
		_, plan := c.decide(t)
		if r := repairOf(plan, "n1"); r != nil && r.Act == ActRequest {
			t.Errorf("%+v is taken for the kubelet's own word: %+v", view, r)
		}
	}
}

func repairOf(plan Plan, node string) *Repair {
	for i := range plan.Repairs {
		if plan.Repairs[i].Node.Name() == node {
			return &plan.Repairs[i]
		}
	}
	return nil
}
