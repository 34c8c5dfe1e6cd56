package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/plain"
	"github.com/tidemill/tidemill/internal/world/mirror"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale"
)

// Whatever stands in the cluster and whatever the cloud answers, each verb makes
// a plan, in time and the same one twice; and what is printed of it is printable.
func TestHostileWorld(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := worldtest.New()
		w.AddPool("workers", "4", "16Gi", worldtest.Scale(1, 5))
		for i := range 3 {
			w.AddNode("workers", fmt.Sprintf("n%d", i+1))
		}
		w.AddPod("web", "500m", "1Gi")
		w.Corrupt(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") })
		began := time.Now()
		p := planOf(rt, w)
		if took := time.Since(began); took > 20*time.Second {
			rt.Fatalf("plans took %s", took)
		}
		text := printedPlan(rt, p)
		if again := printedPlan(rt, planOf(rt, w)); again != text {
			rt.Errorf("two plans for one look:\n%s\n%s", text, again)
		}
		checkPlain(rt, text)
	})
}

func planOf(t rapid.TB, w *worldtest.World) plans {
	s := w.Snapshot()
	p := plans{owners: owners(s), Discovery: mirror.Decide(s), Cycle: cycle.Decide(s, cycle.Policy{})}
	var err error
	if p.Scale, err = scale.Decide(s, scale.Policy{}); err != nil {
		t.Fatal(err)
	}
	return p
}

func printedPlan(t rapid.TB, p plans) string {
	var b bytes.Buffer
	out := plain.NewWriter(&b)
	if err := p.write(out); err != nil {
		t.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// checkPlain wants printable characters in lines that end.
func checkPlain(t rapid.TB, text string) {
	for _, line := range strings.Split(text, "\n") {
		if len(line) > plain.MaxLine+64 {
			t.Errorf("a line of %d bytes: %.80q", len(line), line)
		}
		for _, r := range line {
			if !plain.Printable(r) && r != '\t' {
				t.Fatalf("%q is printed in %.200q", r, line)
			}
		}
	}
}

// evil is a name as a hostile node, pod or cloud would have it.
const evil = "n1\x1b]0;owned\x07\x1b[2J\u202e\u009b31m\r\n\xff"

// Names and messages of others reach every command's output only as text.
func TestHostileNamesAreShown(t *testing.T) {
	pool := v1alpha1.Pool{}
	pool.Name, pool.Status.Activity, pool.Status.Release = evil, evil, &v1alpha1.ReleaseStatus{Kubernetes: evil}
	pool.Status.Cycle = &v1alpha1.CycleStatus{Request: evil, Blocked: []v1alpha1.BlockedNode{{Node: evil, Reason: evil, Message: evil}}}
	pod, node := corev1.Pod{}, corev1.Node{}
	pod.Namespace, pod.Name, node.Name = evil, evil, evil
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: evil}}
	status, err := statusOf(seen{pools: []v1alpha1.Pool{pool}, pods: []corev1.Pod{pod}, nodes: []corev1.Node{node}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	report := doctor.Report{Err: evil, Nodes: []doctor.NodeReport{{Node: evil, Pool: evil, Findings: []doctor.Finding{
		{Check: "ready", Node: evil, State: doctor.Fail, Reason: evil, Message: evil, Observed: evil, Limit: evil}}}}}
	commands := map[string]func(*globals) error{
		"status":      func(g *globals) error { return g.writeStatus(g.stdout, status) },
		"status json": func(g *globals) error { return json.NewEncoder(g.stdout).Encode(status) },
		"status yaml": func(g *globals) error { g.output = "yaml"; return g.print(status) },
		"plan": func(g *globals) error {
			return plans{Scale: scale.Plan{Verdicts: []scale.Verdict{{Pod: evil, Help: scale.HelpNone, Message: evil}}, Nodes: []scale.NodeVerdict{{Node: evil, Pool: evil, Message: evil}}}}.write(g.stdout)
		},
	}
	for _, format := range doctor.Formats() {
		commands["doctor "+format] = func(g *globals) error { return report.Write(g.stdout, format) }
	}
	for name, command := range commands {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			out := plain.NewWriter(&b)
			if err := command(&globals{stdout: out}); err != nil {
				t.Fatal(err)
			}
			if err := out.Flush(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(b.String(), "owned") {
				t.Errorf("the text is not there at all: %q", b.String())
			}
			checkPlain(t, b.String())
		})
	}
	t.Run("errors", func(t *testing.T) {
		var b bytes.Buffer
		if code := tellError(&b); code != exitBlind {
			t.Errorf("exit code %d", code)
		}
		checkPlain(t, b.String())
	})
}

func tellError(b *bytes.Buffer) int {
	return report(b, fmt.Errorf("read node %s: %w", evil, blind(errors.New(evil), evil)))
}
