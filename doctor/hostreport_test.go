package doctor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// says lets the agent on n1 publish findings, so long ago.
func (c *clinic) says(ago time.Duration, findings ...Finding) {
	n := c.node("n1")
	cond := HostCondition(findings, nil, c.Now.Add(-ago))
	cond.LastHeartbeatTime, cond.LastTransitionTime = metav1.NewTime(c.Now.Add(-ago)), metav1.NewTime(c.Now.Add(-ago))
	unset(n, v1alpha1.NodeConditionHost)
	n.Status.Conditions = append(n.Status.Conditions, cond)
}

func failing(check string, since time.Time) Finding {
	return Finding{Check: check, State: Fail, Since: since, Message: check + " fails"}
}

// What a host cannot know it does not say: not that its machine is off, or that its
// lease is old.
func TestHostSpeaksOfItsOwnChecksAlone(t *testing.T) {
	fail, warn := readHead("fail=instance-stopped@1772366400,lease@1772366400,root-read-only@1772366400 warn=system-pods,memory; words")
	if len(fail) != 1 || fail[rootReadOnly.ID].IsZero() || !slices.Equal(warn, []string{"memory"}) {
		t.Errorf("fails %v, warns %v", fail, warn)
	}
}

func TestHostReportIsFoldedInWhileFresh(t *testing.T) {
	longAgo := worldtest.Now.Add(-time.Hour)
	for _, x := range []struct {
		name    string
		tell    func(c *clinic)
		verdict corev1.ConditionStatus
		check   string
		state   State
	}{
		{"the root is read-only", func(c *clinic) { c.says(time.Minute, failing("root-read-only", longAgo)) }, corev1.ConditionTrue, "root-read-only", Fail},
		{"said an hour ago", func(c *clinic) { c.says(time.Hour, failing("root-read-only", longAgo)) }, corev1.ConditionFalse, "host-report", Unknown},
		{"what no repair helps only warns", func(c *clinic) { c.says(time.Minute, failing("disk-space", longAgo)) }, corev1.ConditionFalse, "disk-space", Warn},
		{"a check that nobody has", func(c *clinic) { c.says(time.Minute, failing("made-up", longAgo)) }, corev1.ConditionFalse, "made-up", Unknown},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newClinic()
			c.addNode("n1")
			x.tell(c)
			got := c.caseOf(t, "n1")
			if got.Verdict.Status != x.verdict {
				t.Errorf("verdict %+v, want %s", got.Verdict, x.verdict)
			}
			state := Unknown
			for _, f := range got.Findings {
				if f.Check == x.check {
					state = f.State
				}
			}
			if state != x.state {
				t.Errorf("%s is %s, want %s", x.check, state, x.state)
			}
		})
	}
}

// What the host reports survives the condition, whatever it found and however
// it words it; a failure keeps its first date.
func TestHostConditionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(1<<30, 1<<31).Draw(t, "now"), 0).UTC()
		fails, want := []Finding{}, map[string]time.Time{}
		for _, check := range rapid.SliceOfNDistinct(rapid.SampledFrom(HostChecks()), 0, maxHostChecks, func(c Check) string { return c.ID }).Draw(t, "checks") {
			fails = append(fails, Finding{Check: check.ID, State: Fail, Message: rapid.String().Draw(t, "message")})
			want[check.ID] = now
		}
		first := HostCondition(fails, nil, now)
		second := HostCondition(fails, &first, now.Add(time.Hour))
		for _, c := range []corev1.NodeCondition{first, second} {
			got, _ := readHead(c.Message)
			if diff := cmp.Diff(want, got); diff != "" || len(c.Message) > maxMessage {
				t.Fatalf("%q, %d bytes (-want +got):\n%s", c.Message, len(c.Message), diff)
			}
		}
	})
}

// A condition that anybody may have written is read without harm.
func FuzzReadHead(f *testing.F) {
	f.Add("fail=root-read-only@1772366400,gpus@1 warn=memory; text")
	f.Add("fail==,@@ warn;\x1b[31m")
	f.Fuzz(func(t *testing.T, message string) {
		fail, warn := readHead(message)
		for id := range fail {
			warn = append(warn, id)
		}
		for _, id := range warn {
			if !ofHost(id) {
				t.Errorf("%q is no check of a host", id)
			}
		}
	})
}

func TestLogEvidenceExpires(t *testing.T) {
	line := Check{Evidence: EvidenceLog, Action: ActionReplace}
	level := Check{Evidence: EvidenceLevel, Action: ActionReplace, Confirm: time.Minute}
	for _, x := range []struct {
		check       Check
		stood       time.Duration
		state       State
		unconfirmed bool
	}{
		{line, time.Minute, Warn, false}, {line, time.Hour, Warn, false}, {line, time.Hour + time.Second, Skip, false},
		{level, 30 * time.Second, Warn, true}, {level, time.Minute, Fail, false}, {level, 100 * time.Hour, Fail, false},
		{Check{Evidence: EvidenceCounter, Action: ActionReplace}, time.Hour, Warn, false},
		{Check{Evidence: EvidenceLevel}, time.Hour, Warn, false},
	} {
		if s, u := weigh(x.check, x.stood); s != x.state || u != x.unconfirmed {
			t.Errorf("%s after %s: %s unconfirmed=%v, want %s %v", x.check.Evidence, x.stood, s, u, x.state, x.unconfirmed)
		}
	}
}

func TestProof(t *testing.T) {
	alarm := func(c *clinic) {
		c.ready(corev1.ConditionTrue, 3*time.Hour)
		c.says(time.Minute, failing("root-read-only", c.Now.Add(-2*time.Hour)))
		c.condemnFor("n1", "root-read-only", 2*time.Hour)
	}
	for _, x := range []struct {
		name string
		tell func(c *clinic)
		ok   bool
	}{
		{"a lone witness against a Ready node", alarm, false},
		{"a second witness", func(c *clinic) {
			alarm(c)
			set(c.node("n1"), "ReadonlyFilesystem", corev1.ConditionTrue, c.Now.Add(-time.Hour))
		}, true},
		{"pressure is nobody's word", func(c *clinic) {
			alarm(c)
			set(c.node("n1"), corev1.NodeDiskPressure, corev1.ConditionTrue, c.Now.Add(-time.Hour))
			set(c.node("n1"), corev1.NodeMemoryPressure, corev1.ConditionTrue, c.Now.Add(-time.Hour))
		}, false},
		{"nor is a log line", func(c *clinic) {
			alarm(c)
			set(c.node("n1"), "SomebodysLog", corev1.ConditionTrue, c.Now.Add(-time.Hour))
		}, false},
		{"nor does a host speak for the kubelet, the cloud and the pods", func(c *clinic) {
			alarm(c)
			at := c.Now.Add(-2 * time.Hour)
			c.says(time.Minute, failing("root-read-only", at), failing("lease", at), failing("instance-stopped", at), failing("system-pods", at), failing("gpus", at))
		}, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := sickFor(5, 2*time.Hour)
			x.tell(c)
			_, plan := c.decide(t)
			if len(plan.Repairs) != 1 {
				t.Fatalf("%d repairs", len(plan.Repairs))
			}
			if r := plan.Repairs[0]; (r.Act == ActRequest) != x.ok || !x.ok && r.Reason != ReasonNotProven {
				t.Errorf("got %s %s %s, want asked %v", r.Act, r.Reason, r.Message, x.ok)
			}
		})
	}
}

// No counter and no log line may ask for a repair, and no pressure.
func TestWhatMayAskForRepair(t *testing.T) {
	for id, check := range allChecks() {
		if check.Action != ActionNone && (check.Evidence != EvidenceLevel || id == pressure.ID) {
			t.Errorf("%s may ask to %s on evidence of kind %s", id, check.Action, check.Evidence)
		}
		if check.First > check.Action {
			t.Errorf("%s begins with %s and ends with %s", id, check.First, check.Action)
		}
	}
}

// The order in which checks are listed, or findings come, decides nothing about
// who is repaired, and how.
func TestPermutedFindingsDecideTheSame(t *testing.T) {
	c := sickFor(5, 2*time.Hour)
	c.says(time.Minute, failing("root-read-only", c.Now.Add(-2*time.Hour)))
	set(c.node("n1"), "ReadonlyFilesystem", corev1.ConditionTrue, c.Now.Add(-time.Hour))
	cases, plan := c.decide(t)
	want := fmt.Sprintf("%s %s %s", plan.Repairs[0].Act, plan.Repairs[0].Action, plan.Repairs[0].Reason)
	if !strings.HasPrefix(want, "request replace") {
		t.Fatalf("got %s: a reboot brings a damaged root back", want)
	}
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		for i := range cases {
			random.Shuffle(len(cases[i].Findings), func(a, b int) {
				f := cases[i].Findings
				f[a], f[b] = f[b], f[a]
			})
		}
		r := Decide(cases[0].Patient.Look.Snapshot, cases, Sight{}, Policy{}).Repairs[0]
		if got := fmt.Sprintf("%s %s %s", r.Act, r.Action, r.Reason); got != want {
			t.Fatalf("seed %d: %s, want %s", seed, got, want)
		}
	}
}
