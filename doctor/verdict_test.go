package doctor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		name   string
		tell   func(c *clinic)
		status corev1.ConditionStatus
		reason string
	}{
		{"well", func(c *clinic) {}, corev1.ConditionFalse, ReasonPassed},
		{"well and never examined", func(c *clinic) { c.young("n1", time.Minute) }, corev1.ConditionFalse, ReasonPassed},
		{"a warning does not condemn", func(c *clinic) { c.pull("n1", "a", "imgg:1", false) }, corev1.ConditionFalse, ReasonPassed},
		{"not Ready condemns", func(c *clinic) { c.ready(corev1.ConditionUnknown, time.Minute) }, corev1.ConditionTrue, "Ready"},
		{"the cause stands before the symptom", func(c *clinic) {
			c.ready(corev1.ConditionUnknown, time.Minute)
			c.instance("n1").State = cloudprovider.Stopped
		}, corev1.ConditionTrue, "InstanceStopped"},
		{"a new node is not Ready yet", func(c *clinic) {
			c.young("n1", time.Minute)
			c.ready(corev1.ConditionFalse, time.Minute)
		}, corev1.ConditionUnknown, ReasonJoining},
		{"a new node never becomes Ready", func(c *clinic) {
			c.young("n1", time.Hour)
			c.ready(corev1.ConditionFalse, time.Hour)
		}, corev1.ConditionTrue, "Ready"},
		{"a new node waits for its system pods", func(c *clinic) {
			c.addDaemonSet("csi", "system-node-critical")
			c.addSystemPod("csi", "n1", corev1.ConditionFalse)
			c.young("n1", time.Minute)
		}, corev1.ConditionUnknown, ReasonJoining},
		{"a new node never gets its system pods", func(c *clinic) {
			c.addDaemonSet("csi", "system-node-critical")
			c.addSystemPod("csi", "n1", corev1.ConditionFalse)
			c.young("n1", time.Hour)
		}, corev1.ConditionTrue, "SystemPods"},
		{"a new node with an unconfirmed failure is not trusted yet", func(c *clinic) {
			c.young("n1", time.Minute)
			set(c.node("n1"), corev1.NodeDiskPressure, corev1.ConditionTrue, c.Now.Add(-time.Minute))
		}, corev1.ConditionUnknown, ReasonNotConfirmed},
		{"an old node with the same goes on", func(c *clinic) {
			set(c.node("n1"), corev1.NodeDiskPressure, corev1.ConditionTrue, c.Now.Add(-time.Minute))
		}, corev1.ConditionFalse, ReasonPassed},
		{"restarted where it stands, and away", func(c *clinic) {
			c.restart(kube.RepairReboot)
			c.ready(corev1.ConditionUnknown, time.Minute)
		}, "", ""},
		{"restarted where it stands, and back", func(c *clinic) { c.restart(kube.RepairReplaceBootVolume) }, corev1.ConditionFalse, ReasonPassed},
		{"drained to be replaced", func(c *clinic) { c.restart(kube.RepairReplace) }, "", ""},
		{"leases that cannot be read close no gate", func(c *clinic) {
			c.young("n1", time.Minute)
			c.leasesErr = errors.New("forbidden")
		}, corev1.ConditionFalse, ReasonPassed},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newClinic()
			k.addNode("n1")
			c.tell(k)
			if v := k.caseOf(t, "n1").Verdict; v.Status != c.status || v.Reason != c.reason {
				t.Errorf("got %+v, want %s %s", v, c.status, c.reason)
			}
		})
	}
}

// A gate that could not look is closed, whatever the reason.
func TestGateThatPanicsStaysClosed(t *testing.T) {
	k := newClinic()
	k.addNode("n1")
	checks := Checks()
	for i := range checks {
		if checks[i].ID == systemPods.ID {
			checks[i].Run = nil // calling it panics
		}
	}
	k.runner.Checks = checks
	if v := k.caseOf(t, "n1").Verdict; v.Status != corev1.ConditionUnknown || v.Reason != ReasonNotExamined {
		t.Errorf("got %+v, want Unknown %s", v, ReasonNotExamined)
	}
}

func TestMessageFitsTheAPI(t *testing.T) {
	long := strings.Repeat("ä", 400)
	got := messages([]Finding{{Check: "a", Message: long}})
	if len(got) > maxMessage || !strings.HasSuffix(got, "...") || strings.ContainsRune(got, '�') {
		t.Errorf("%d bytes: %q", len(got), got[len(got)-10:])
	}
}

// restart marks n1 as drained for an action.
func (c *clinic) restart(action kube.RepairAction) {
	at := c.Now.Add(-5 * time.Minute)
	kube.SetMark(c.node("n1"), kube.Mark{Cause: kube.CauseRepair, Action: action, Drained: &at})
}

// ail gives n1 one of the troubles that the API shows.
func (c *clinic) ail(trouble int) {
	switch trouble {
	case 0:
		c.ready(corev1.ConditionUnknown, time.Second)
	case 1:
		c.ready(corev1.ConditionFalse, time.Hour)
	case 2:
		set(c.node("n1"), corev1.NodeDiskPressure, corev1.ConditionTrue, c.Now.Add(-time.Hour))
	case 3:
		if in := c.instance("n1"); in != nil {
			in.State = cloudprovider.Stopped
		}
	case 4:
		c.terminating(4, time.Hour)
	case 5:
		for i := range 3 {
			c.pull("n1", fmt.Sprintf("a%d", i), fmt.Sprintf("img:%d", i), false)
			c.pull("n2", fmt.Sprintf("b%d", i), fmt.Sprintf("img:%d", i), true)
		}
	case 6:
		c.addDaemonSet("csi", "system-node-critical")
	case 7:
		c.leases["n1"] = c.Now.Add(-time.Hour)
	case 8:
		c.node("n1").Status.NodeInfo.KubeletVersion = "v1.99.0"
	case 9:
		c.Cloud.Instances[worldtest.PoolID("workers")] = nil
	case 10:
		c.Cloud.Err = errors.New("timeout")
	case 11:
		c.leasesErr = errors.New("forbidden")
	case 12:
		c.says(time.Minute, failing("root-read-only", c.Now.Add(-time.Hour)))
	}
}

// The field's worst bug: a condition that never clears. Whatever a node has been
// through, one look after it is well its condition is False.
func TestWhatHealsClearsAtTheNextLook(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		history, runner := NewHistory(), &Runner{Checks: Checks(), Timeout: time.Second}
		now := worldtest.Now
		stands := corev1.NodeCondition{Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionUnknown}
		look := func(troubles []int) Verdict {
			c := newClinic()
			c.Now, c.history, c.runner = now, history, runner
			c.addNode("n1")
			c.addNode("n2")
			set(c.node("n1"), stands.Type, stands.Status, now)
			for _, trouble := range troubles {
				c.ail(trouble)
			}
			v := c.caseOf(t, "n1").Verdict
			if v.Status != "" {
				stands.Status = v.Status
			}
			now = now.Add(30 * time.Second)
			return v
		}
		for _, troubles := range rapid.SliceOf(rapid.SliceOfN(rapid.IntRange(0, 12), 0, 3)).Draw(rt, "looks") {
			look(troubles)
		}
		if v := look(nil); v.Status != corev1.ConditionFalse {
			rt.Fatalf("well again, and still %+v", v)
		}
	})
}
