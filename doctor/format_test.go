package doctor

import (
	"bytes"
	"encoding"
	"encoding/json"
	"encoding/xml"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// small is a report with one finding of each state, and texts that try to break
// out of every format.
func small() Report {
	nasty := "<b>\"quoted\"</b> | `x` & [y](z) \\ end"
	return Report{Schema: Schema, Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Nodes: []NodeReport{
		{Node: "n1", Pool: "workers", Verdict: Verdict{"True", "Ready", "ready: silent"}, Findings: []Finding{
			{Check: "ready", Node: "n1", State: Fail, Reason: "KubeletSilent", Message: nasty, Remedy: "look at the kubelet", Since: time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)},
			{Check: "image-pulls", Node: "n1", State: Warn, Reason: "ImagePullFailing", Observed: "1 image", Limit: "warn 1 image", Message: "cannot pull x", Unconfirmed: true},
			{Check: "age", Node: "n1", State: Info, Reason: "NodeOld", Message: "runs since 2025-01-01"},
			{Check: "lease", Node: "n1", State: Unknown, Reason: "NotFound", Message: "no lease"},
			{Check: "pressure", Node: "n1", State: Pass},
			{Check: "gpu-count", Node: "n1", State: Skip, Reason: "NotApplicable", Message: "no GPU"},
			{Check: "nic-errors", Node: "n1", State: Pass, Counts: map[string]uint64{"nic-errors/ens3": 4}},
		}, Repair: &RepairReport{Act: "request", Check: "ready"}},
		{Node: "n2", Pool: "workers", Verdict: Verdict{"False", "Passed", "no check fails"}, Findings: []Finding{{Check: "ready", Node: "n2", State: Pass, Observed: "True"}}},
	}, Brakes: []BrakeReport{{"workers", true, "CommonCause", "many at once"}}}
}

func TestFormats(t *testing.T) {
	r := small()
	for _, format := range Formats() {
		var b, again bytes.Buffer
		if err := r.Write(&b, format); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		golden(t, "formats/"+format+".txt", b.String())
		if err := r.Write(&again, format); err != nil || again.String() != b.String() {
			t.Errorf("%s is another the second time: %v", format, err)
		}
	}
	if err := r.Write(io.Discard, "toml"); err == nil || !strings.Contains(err.Error(), "sarif") {
		t.Errorf("toml: %v", err)
	}
}

// Each format is read back by what it is meant for.
func TestFormatsAreWellFormed(t *testing.T) {
	out := func(format string) string {
		var b bytes.Buffer
		if err := fleet(t).Write(&b, format); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	var log sarifLog
	if err := json.Unmarshal([]byte(out("sarif")), &log); err != nil || len(log.Runs) != 1 || len(log.Runs[0].Results) == 0 {
		t.Fatalf("sarif: %v", err)
	}
	for _, x := range log.Runs[0].Results {
		if log.Runs[0].Tool.Driver.Rules[x.RuleIndex].ID != x.RuleID {
			t.Errorf("the rule of %s is another", x.RuleID)
		}
		if (x.Kind == "fail") == (x.Level == "none") {
			t.Errorf("kind %s with level %s", x.Kind, x.Level)
		}
	}
	var suites junitSuites
	if err := xml.Unmarshal([]byte(out("junit")), &suites); err != nil {
		t.Fatalf("junit: %v", err)
	}
	failures := 0
	for _, s := range suites.Suites {
		failures += s.Failures
		if s.Tests != len(s.Cases) {
			t.Errorf("%s says %d tests and has %d", s.Name, s.Tests, len(s.Cases))
		}
	}
	if failures != suites.Failures || failures == 0 {
		t.Errorf("%d failures, the sum says %d", failures, suites.Failures)
	}
	for _, line := range strings.Split(strings.TrimSpace(out("jsonl")), "\n") {
		var l Line
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Schema != Schema || l.Check == "" {
			t.Errorf("jsonl: %v in %s", err, line)
		}
	}
	metric := regexp.MustCompile(`^(# (HELP|TYPE) \w+ .*|tidemill_\w+\{(\w+="([^"\\]|\\.)*",?)+\} -?\d+)$`)
	for _, line := range strings.Split(strings.TrimSpace(out("prometheus")), "\n") {
		if !metric.MatchString(line) {
			t.Errorf("prometheus: %s", line)
		}
	}
}

func TestIgnore(t *testing.T) {
	r, unknown := small().Ignore("ready", "image-pulls", "nonsense")
	if !slices.Equal(unknown, []string{"nonsense"}) {
		t.Errorf("unknown: %v", unknown)
	}
	if code := r.ExitCode(Warn); code != ExitOK {
		t.Errorf("exit %d for what is ignored", code)
	}
	if f := r.Nodes[0].Findings[0]; f.State != Skip || f.Reason != ReasonIgnored || !strings.Contains(f.Message, "KubeletSilent") {
		t.Errorf("ignored: %+v", f)
	}
	if small().Nodes[0].Findings[0].State != Fail {
		t.Error("the report itself was changed")
	}
}

// The fields of the schema: a field that goes, or is called otherwise, needs
// another version of it.
func TestSchemaOnlyGrows(t *testing.T) {
	var lines []string
	var walk func(prefix string, v reflect.Type)
	walk = func(prefix string, v reflect.Type) {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice {
			v = v.Elem()
		}
		switch {
		case v == reflect.TypeFor[time.Time]():
			lines = append(lines, prefix+" time")
			return
		case v.Kind() == reflect.String || v.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
			lines = append(lines, prefix+" string")
			return
		case v.Kind() != reflect.Struct:
			lines = append(lines, prefix+" "+v.String())
			return
		}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Field(i).Tag.Get("json"), ",")
			walk(prefix+"."+name, v.Field(i).Type)
		}
	}
	walk(Schema+": ", reflect.TypeFor[Report]())
	golden(t, "schema.txt", strings.Join(lines, "\n")+"\n")
}
