package doctor

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
)

// healthText is what a kubelet's /healthz?verbose has when its loop hangs.
const healthText = "[+]ping ok\n[+]log ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n"

func told(view KubeletView) func(*clinic) {
	return func(c *clinic) {
		v := view
		v.At = c.Now
		c.kubelets = map[string]*KubeletView{"n1": &v, "n2": {At: c.Now, Healthy: true, Metrics: &KubeletMetrics{}}}
	}
}

func measured(change func(m *KubeletMetrics)) func(*clinic) {
	return func(c *clinic) {
		m := &KubeletMetrics{Started: c.Now.Add(-time.Hour), PLEGSeen: c.Now, ClientTTL: 300 * 86400, ServerTTL: math.NaN()}
		change(m)
		told(KubeletView{Healthy: true, Metrics: m})(c)
	}
}

// configured tells all kubelets of a pool of six the same, and n1 something else.
func configured(change func(map[string]string)) func(*clinic) {
	return func(c *clinic) {
		c.kubelets = map[string]*KubeletView{}
		for i := range 4 {
			c.addNode(fmt.Sprintf("x%d", i))
		}
		for _, n := range c.Objects.Nodes {
			c.kubelets[n.Name] = &KubeletView{At: c.Now, Healthy: true, Config: map[string]string{"maxPods": "110", "failSwapOn": "false"}}
		}
		change(c.kubelets["n1"].Config)
	}
}

func starts(ago ...time.Duration) func(*clinic) {
	return func(c *clinic) {
		v := KubeletView{Healthy: true, Metrics: &KubeletMetrics{}}
		for _, d := range ago {
			v.Metrics.Started = c.Now.Add(-d)
			v.Starts = append(v.Starts, v.Metrics.Started)
		}
		told(v)(c)
	}
}

var (
	errDeaf    = &unreachable{errors.New("get /healthz: i/o timeout")}
	errRefused = fmt.Errorf("get /healthz: %w: Forbidden (subresource(s)=[healthz proxy])", errForbidden)
	fastAnswer = Buckets{0.5: 1000, math.Inf(1): 1000}
	slowAnswer = Buckets{0.5: 900, 15: 1000, math.Inf(1): 1000}
)

var kubeletStories = []story{
	{"not asked for", "kubelet-health", func(*clinic) {}, Skip, ReasonNotAsked},
	{"virtual", "kubelet-health", func(c *clinic) {
		told(KubeletView{})(c)
		c.Cloud.Pools[0].Virtual = true
	}, Skip, ReasonNotApplicable},
	{"virtual by its label", "kubelet-health", func(c *clinic) {
		told(KubeletView{})(c)
		c.node("n1").Labels["node-role.kubernetes.io/virtual-node"] = ""
	}, Skip, ReasonNotApplicable},
	{"not its turn", "kubelet-health", func(c *clinic) { c.kubelets = map[string]*KubeletView{} }, Unknown, "NotAskedYet"},
	{"well", "kubelet-health", told(KubeletView{Healthy: true, Health: "ok"}), Pass, ""},
	{"hangs, just now", "kubelet-health", told(KubeletView{Health: healthText}), Warn, "KubeletUnhealthy"},
	{"not permitted", "kubelet-health", told(KubeletView{HealthErr: errRefused}), Unknown, ReasonNotPermitted},
	{"garbage", "kubelet-health", told(KubeletView{HealthErr: errors.New("more than 4096 bytes")}), Unknown, ReasonUnreadable},
	{"others answer", "kubelet-health", told(KubeletView{HealthErr: errDeaf}), Warn, "KubeletUnreachable"},
	{"nobody answers", "kubelet-health", func(c *clinic) {
		c.kubelets = map[string]*KubeletView{"n1": {HealthErr: errDeaf}, "n2": {HealthErr: errDeaf}}
	}, Unknown, "WayBroken"},
	{"silent and not Ready", "kubelet-health", func(c *clinic) {
		told(KubeletView{HealthErr: errDeaf})(c)
		c.ready(corev1.ConditionUnknown, time.Minute)
	}, Unknown, ReasonNotReady},

	{"fresh", "kubelet-pleg", measured(func(*KubeletMetrics) {}), Pass, ""},
	{"late", "kubelet-pleg", measured(func(m *KubeletMetrics) { m.PLEGSeen = m.PLEGSeen.Add(-time.Minute) }), Warn, "PLEGStale"},
	{"dead", "kubelet-pleg", measured(func(m *KubeletMetrics) { m.PLEGSeen = m.PLEGSeen.Add(-3 * time.Minute) }), Fail, "PLEGStale"},
	{"ahead", "kubelet-pleg", measured(func(m *KubeletMetrics) { m.PLEGSeen = m.PLEGSeen.Add(time.Hour) }), Pass, ""},
	{"slow", "kubelet-pleg", measured(func(m *KubeletMetrics) { m.Relist = slowAnswer }), Warn, "PLEGSlow"},
	{"does not tell", "kubelet-pleg", measured(func(m *KubeletMetrics) { m.PLEGSeen = time.Time{} }), Unknown, ReasonNotFound},
	{"not permitted", "kubelet-pleg", told(KubeletView{Healthy: true, MetricsErr: errRefused}), Unknown, ReasonNotPermitted},

	{"fast", "kubelet-runtime", measured(func(m *KubeletMetrics) { m.Runtime = fastAnswer }), Pass, ""},
	{"slow", "kubelet-runtime", measured(func(m *KubeletMetrics) { m.Runtime = slowAnswer }), Warn, "RuntimeSlow"},
	{"slow before the last look", "kubelet-runtime", func(c *clinic) {
		measured(func(m *KubeletMetrics) { m.Runtime = Buckets{0.5: 1900, 15: 2000, math.Inf(1): 2000} })(c)
		v := c.kubelets["n1"]
		v.Before = &KubeletMetrics{Started: v.Metrics.Started, Runtime: slowAnswer}
		v.Metrics.Runtime = Buckets{0.5: 1900, 15: 2000, math.Inf(1): 2000}
	}, Pass, ""},
	{"slow before it was started anew", "kubelet-runtime", func(c *clinic) {
		measured(func(m *KubeletMetrics) { m.Runtime = fastAnswer })(c)
		c.kubelets["n1"].Before = &KubeletMetrics{Started: c.Now.Add(-9 * time.Hour), Runtime: slowAnswer}
	}, Pass, ""},
	{"nothing done yet", "kubelet-runtime", measured(func(*KubeletMetrics) {}), Unknown, "TooFew"},

	{"good for long", "kubelet-rotation", measured(func(*KubeletMetrics) {}), Pass, ""},
	{"the server's ends first", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ServerTTL = -1 }), Fail, "CertificateExpired"},
	{"short-lived", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ClientTTL = 7200 }), Pass, ""},
	{"last hour", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ClientTTL = 3000 }), Warn, "CertificateNotRenewed"},
	{"cannot renew", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ClientTTL, m.RenewErrors = 13*86400, 4 }), Warn, "CertificateNotRenewed"},
	{"does not tell", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ClientTTL = math.NaN() }), Unknown, ReasonNotFound},
	{"rotation off", "kubelet-rotation", func(c *clinic) {
		measured(func(*KubeletMetrics) {})(c)
		c.kubelets["n1"].Config = map[string]string{"rotateCertificates": "false"}
	}, Warn, "RotationOff"},
	{"absurd", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ClientTTL = 1e300 }), Pass, ""},

	{"up for an hour", "kubelet-restarts", starts(time.Hour), Pass, ""},
	{"anew", "kubelet-restarts", starts(9 * time.Minute), Info, "KubeletRestarted"},
	{"three times", "kubelet-restarts", starts(19*time.Minute, 9*time.Minute, time.Minute), Warn, "KubeletRestarts"},
	{"five times", "kubelet-restarts", starts(19*time.Minute, 15*time.Minute, 9*time.Minute, 5*time.Minute, time.Minute), Fail, "KubeletRestarts"},
	{"long ago", "kubelet-restarts", starts(49*time.Minute, 45*time.Minute, 39*time.Minute, 35*time.Minute, 31*time.Minute), Pass, ""},

	{"alike", "kubelet-config", configured(func(map[string]string) {}), Pass, ""},
	{"other value", "kubelet-config", configured(func(m map[string]string) { m["maxPods"] = "31" }), Info, "ConfigDiffers"},
	{"a field too many", "kubelet-config", configured(func(m map[string]string) { m["enableServer"] = "true" }), Info, "ConfigDiffers"},
	{"a field too few", "kubelet-config", configured(func(m map[string]string) { delete(m, "maxPods") }), Info, "ConfigDiffers"},
	{"two nodes", "kubelet-config", told(KubeletView{Healthy: true, Config: map[string]string{"a": "1"}}), Skip, "NoMajority"},
	{"not permitted", "kubelet-config", told(KubeletView{Healthy: true, ConfigErr: errRefused}), Unknown, ReasonNotPermitted},
}

// A kubelet that says that it is ill condemns its node once it has said so for a
// minute, and is trusted again with the first good answer.
func TestIllKubeletCondemnsAndHeals(t *testing.T) {
	c := newClinic()
	c.addNode("n1")
	c.addNode("n2")
	c.Cloud.Instances[c.Cloud.Pools[0].ID][0].State = cloudprovider.Running
	told(KubeletView{Health: healthText})(c)
	if x := c.caseOf(t, "n1"); x.Verdict.Status != corev1.ConditionFalse {
		t.Fatalf("at first sight: %+v", x.Verdict)
	}
	c.Now = c.Now.Add(kubeletHealth.Confirm)
	c.leases["n1"], c.leases["n2"] = c.Now, c.Now
	if x := c.caseOf(t, "n1"); x.Verdict.Reason != "KubeletHealth" || !strings.Contains(x.Verdict.Message, "syncloop") {
		t.Fatalf("a minute later: %+v", x.Verdict)
	}
	told(KubeletView{Healthy: true})(c)
	if x := c.caseOf(t, "n1"); x.Verdict.Status != corev1.ConditionFalse {
		t.Errorf("healed: %+v", x.Verdict)
	}
}
