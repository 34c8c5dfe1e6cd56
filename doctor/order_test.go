package doctor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/kube"
)

// proxyFails makes a node's kube-proxy one that has not been Ready for a while.
func (c *clinic) proxyFails(node string, ago time.Duration) {
	for i := range c.Objects.Pods {
		if p := &c.Objects.Pods[i]; p.Name == "kube-proxy-"+node {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(c.Now.Add(-ago))}}
		}
	}
}

// A check that may only restart does not stand before one that may replace, once
// both have stood long enough; until then it need not wait for the other.
func TestWhoMayAskForMostAsks(t *testing.T) {
	for _, x := range []struct {
		name   string
		tell   func(c *clinic)
		action kube.RepairAction
		check  string
	}{
		{"both, restarted in vain", func(c *clinic) { c.tried(time.Hour, kube.RepairReboot); c.proxyFails("n1", 2*time.Hour) }, kube.RepairReplace, systemPods.ID},
		{"both", func(c *clinic) { c.proxyFails("n1", 2*time.Hour) }, kube.RepairReboot, systemPods.ID},
		{"the pods only for six minutes", func(c *clinic) { c.proxyFails("n1", 6*time.Minute) }, kube.RepairReboot, kubeletHealth.ID},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := aching(12)
			c.ache("n1", 2*time.Hour)
			x.tell(c)
			_, plan := c.decide(t)
			if r := repairOf(plan, "n1"); r == nil || r.Action != x.action || r.Check != x.check {
				t.Errorf("got %+v, want %s for %s", r, x.action, x.check)
			}
		})
	}
}

// Of those that may ask they alone do who know best what does not help: a damaged
// root is not rebooted because the kubelet is silent as well.
func TestWhoKnowsWhatDoesNotHelpAsks(t *testing.T) {
	now := time.Now()
	for _, order := range [][]Finding{{failing(ready.ID, now), failing(rootReadOnly.ID, now)}, {failing(rootReadOnly.ID, now), failing(ready.ID, now)}} {
		if able := repairable(Case{Findings: order}); len(able) != 1 || able[0].Check != rootReadOnly.ID {
			t.Errorf("of %s and %s ask %+v", order[0].Check, order[1].Check, able)
		}
	}
}

// Permuting the checks changes neither what is found nor what is done about it.
func TestPermutedChecksFindAndDecideTheSame(t *testing.T) {
	c := aching(12)
	c.roomy()
	c.ache("n1", 2*time.Hour)
	c.tried(time.Hour, kube.RepairReboot)
	c.proxyFails("n1", 2*time.Hour)
	c.condemn("n2", 20*time.Minute)
	c.leases["n2"] = c.Now.Add(-20 * time.Minute)
	found := func(cases []Case) map[string]Finding {
		out := map[string]Finding{}
		for _, x := range cases {
			for _, f := range x.Findings {
				out[f.Node+"/"+f.Check] = f
			}
		}
		return out
	}
	decided := func(cases []Case) (out []string) {
		for _, x := range cases {
			out = append(out, fmt.Sprintf("%s %s", x.Patient.Name(), x.Verdict.Status))
		}
		for _, r := range Decide(cases[0].Patient.Look.Snapshot, cases, Sight{}, c.policy).Repairs {
			out = append(out, fmt.Sprintf("%s %s %s %s", r.Node.Name(), r.Act, r.Action, r.Reason))
		}
		return out
	}
	c.history = nil // each look is a first one
	cases := c.examine(t)
	findings, decision := found(cases), decided(cases)
	if want := "n1 request replace "; !slices.Contains(decision, want) {
		t.Fatalf("%q is not decided: %q", want, decision)
	}
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		random.Shuffle(len(c.runner.Checks), func(a, b int) {
			k := c.runner.Checks
			k[a], k[b] = k[b], k[a]
		})
		cases := c.examine(t)
		if diff := cmp.Diff(findings, found(cases)); diff != "" {
			t.Fatalf("seed %d: findings (-listed +permuted):\n%s", seed, diff)
		}
		if diff := cmp.Diff(decision, decided(cases)); diff != "" {
			t.Fatalf("seed %d: decisions (-listed +permuted):\n%s", seed, diff)
		}
	}
}
