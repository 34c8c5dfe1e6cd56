package doctor

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
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

func TestChecks(t *testing.T) {
	for _, s := range allStories() {
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
	for _, s := range allStories() {
		if told[s.check] == nil {
			told[s.check] = map[State]bool{}
		}
		told[s.check][s.state] = true
	}
	for _, c := range Checks() {
		if s := told[c.ID]; !s[Fail] && !s[Warn] && !s[Info] && c.ID != flapping.ID {
			t.Errorf("no story in which %s fails or warns", c.ID)
		}
	}
}

// Messages are written to the API: they must not tick.
func TestMessagesDoNotTick(t *testing.T) {
	for _, s := range allStories() {
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
		if c, _ := checkOf(f.Check); c.Leaving && f.State == Skip {
			continue
		}
		if f.State != Skip || f.Reason != ReasonLeaving {
			t.Errorf("%s looked at a node that is being deleted: %+v", f.Check, f)
		}
	}
	if x.Verdict.Status != "" {
		t.Errorf("verdict %+v on a node that is being deleted", x.Verdict)
	}
}

// TestADrainedNodeThatStandsIsExamined: it is not on its way out for as long as its pool
// is paused, or a blue-green run soaks, and what was wrong with it when it was emptied
// may be over.
func TestADrainedNodeThatStandsIsExamined(t *testing.T) {
	for name, x := range map[string]struct {
		pause    bool
		strategy v1alpha1.CycleStrategy
		cause    kube.Cause
		examined bool
	}{
		"paused":               {true, "", kube.CauseCycle, true},
		"not paused":           {false, "", kube.CauseCycle, false},
		"blue":                 {false, v1alpha1.StrategyBlueGreen, kube.CauseCycle, true},
		"blue, to be repaired": {false, v1alpha1.StrategyBlueGreen, kube.CauseRepair, false},
	} {
		c := newClinic()
		n := c.addNode("n1")
		now := c.Now
		kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: x.cause, Since: now, DrainStarted: &now, Drained: &now}))
		pool := &c.Objects.Pools[0]
		if x.pause {
			pool.Annotations = map[string]string{v1alpha1.AnnotationPause: "true"}
		}
		if x.strategy != "" {
			pool.Status.Cycle = &v1alpha1.CycleStatus{Strategy: x.strategy}
		}
		if v := c.caseOf(t, "n1").Verdict; (v.Status == corev1.ConditionFalse) != x.examined {
			t.Errorf("%s: the verdict is %+v", name, v)
		}
	}
}

func TestCamel(t *testing.T) {
	for id, want := range map[string]string{"ready": "Ready", "image-pulls": "ImagePulls", "a-b-c": "ABC"} {
		if got := Camel(id); got != want || strings.Contains(got, "-") {
			t.Errorf("Camel(%q) = %q, want %q", id, got, want)
		}
	}
}
