package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// A fleet with a bit of everything.
func fleet(t *testing.T) Report {
	k := ward(24)
	for i := range 7 {
		k.pull(fmt.Sprintf("n%d", i+10), fmt.Sprintf("web-%d", i), "iad.ocir.io/acme/wbe:1", false)
	}
	set(k.node("n2"), corev1.NodeDiskPressure, corev1.ConditionTrue, k.Now.Add(-8*time.Minute))
	set(k.node("n3"), corev1.NodeMemoryPressure, corev1.ConditionTrue, k.Now.Add(-2*time.Minute))
	delete(k.leases, "n4")
	k.young("n5", 3*time.Minute)
	set(k.node("n5"), corev1.NodeReady, corev1.ConditionFalse, k.Now.Add(-3*time.Minute))
	k.node("n6").Spec.ProviderID = ""
	k.instance("n7").State = cloudprovider.Deleting
	k.AddInstance("workers", "m1", cloudprovider.Failed).Fault = &cloudprovider.Fault{Class: cloudprovider.FaultCapacity, Code: "InternalError", Message: "Out of host capacity."}
	k.runner.OneShot, k.history = true, nil
	cases, plan := k.decide(t)
	return reportOf(cases[0].Patient.Look.Snapshot, cases, plan)
}

func TestReportForPeople(t *testing.T) {
	r := fleet(t)
	for name, o := range map[string]TextOptions{"fleet.txt": {}, "fleet-verbose.txt": {Verbose: true}} {
		var b bytes.Buffer
		if err := r.WriteText(&b, o); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

// What could be seen nowhere is one line, however many nodes and checks.
func TestBlindChecksTakeOneLine(t *testing.T) {
	k := ward(12)
	k.leasesErr = errors.New("leases is forbidden")
	k.runner.OneShot, k.history = true, nil
	cases, plan := k.decide(t)
	var b bytes.Buffer
	if err := reportOf(cases[0].Patient.Look.Snapshot, cases, plan).WriteText(&b, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.Count(got, "UNKNOWN") != 1 || !strings.Contains(got, "UNKNOWN on all 12 nodes: lease (") || !strings.Contains(got, "clock-ahead (NotPermitted)") {
		t.Errorf("got:\n%s", got)
	}
}

func TestReportForPrograms(t *testing.T) {
	k := ward(2, func(p *v1alpha1.Pool) { p.Spec.Repair.Mode = v1alpha1.RepairDryRun })
	k.runner.OneShot, k.history = true, nil
	cases, plan := k.decide(t)
	r := reportOf(cases[0].Patient.Look.Snapshot, cases, plan)
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", b.String())
	var back Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Errorf("a report does not survive JSON:\n%s", diff)
	}
}

func TestOnly(t *testing.T) {
	r, unknown := fleet(t).Only("n1", "n99")
	if len(r.Nodes) != 1 || r.Nodes[0].Node != "n1" || len(unknown) != 1 || unknown[0] != "n99" {
		t.Errorf("kept %d nodes, unknown %v", len(r.Nodes), unknown)
	}
}

func TestExitCode(t *testing.T) {
	with := func(states ...State) Report {
		r := Report{Nodes: []NodeReport{{}}}
		for _, s := range states {
			r.Nodes[0].Findings = append(r.Nodes[0].Findings, Finding{State: s})
		}
		return r
	}
	for _, c := range []struct {
		r      Report
		failOn State
		want   int
	}{
		{with(Pass), Fail, ExitOK},
		{with(Pass, Warn, Unknown), Fail, ExitOK},
		{with(Pass, Fail), Fail, ExitFindings},
		{with(Pass, Warn), Warn, ExitFindings},
		{with(Pass, Fail), Warn, ExitFindings},
		{with(Pass, Unknown), Unknown, ExitFindings},
		{with(Pass, Unknown), Warn, ExitOK},
		{with(Pass, Info), Unknown, ExitOK},
		{with(Fail), Pass, ExitOK},
		{with(Unknown, Skip), Fail, ExitCannotLook},
		{Report{Err: "no /proc"}, Fail, ExitCannotLook},
		{Report{}, Fail, ExitOK},
	} {
		if got := c.r.ExitCode(c.failOn); got != c.want {
			t.Errorf("%+v --fail-on %s: exit %d, want %d", c.r.Nodes, c.failOn, got, c.want)
		}
	}
}

func TestStateNames(t *testing.T) {
	for _, s := range states() {
		back, err := ParseState(s.String())
		if err != nil || back != s {
			t.Errorf("%s does not survive its name: %v", s, err)
		}
	}
	if _, err := ParseState("fatal"); err == nil {
		t.Error("fatal is taken for a state")
	}
	if State(99).String() != "unknown" {
		t.Error("a state of a later version has no name")
	}
}
