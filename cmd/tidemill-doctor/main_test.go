package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/doctor"
)

func TestOnce(t *testing.T) {
	var out, errs bytes.Buffer
	brief := filepath.Join(t.TempDir(), "brief")
	code := run(t.Context(), []string{"doctor", "host", "-o", "json", "--name", "n1", "--brief", brief}, &out, &errs)
	var r doctor.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || code > doctor.ExitFindings || errs.Len() > 0 {
		t.Fatalf("exit %d, %v, %s", code, err, errs.String())
	}
	if r.Schema != doctor.Schema || len(r.Nodes) != 1 || r.Nodes[0].Node != "n1" || len(r.Nodes[0].Findings) != len(doctor.HostChecks()) {
		t.Errorf("the report is about %+v", r.Nodes)
	}
	said, err := os.ReadFile(brief)
	if err != nil || len(said) > 4096 || !json.Valid(said) {
		t.Errorf("brief %q, %v", said, err)
	}
	want := 0
	for _, f := range r.Nodes[0].Findings {
		if f.State == doctor.Fail || f.State == doctor.Warn || f.State == doctor.Unknown {
			want++
		}
	}
	if got := doctor.ParseBrief(string(said), "n1"); len(got) != want {
		t.Errorf("the brief has %d findings, the report %d that matter", len(got), want)
	}
}

func TestRefusals(t *testing.T) {
	for _, args := range [][]string{{"--nonsense"}, {"--publish"}, {"--every", "1ms"}, {"-o", "yaml"}, {"--root", t.TempDir()}, {"stray"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != doctor.ExitCannotLook || !strings.Contains(errs.String(), "error: ") {
			t.Errorf("%v: exit %d, %s", args, code, errs.String())
		}
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &out, &errs); code != doctor.ExitOK || !strings.Contains(errs.String(), "--publish") {
		t.Errorf("--help: exit %d, %s", code, errs.String())
	}
}
