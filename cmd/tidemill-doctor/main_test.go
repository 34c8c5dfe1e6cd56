package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/plain"
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
	for _, args := range [][]string{{"--nonsense"}, {"--publish"}, {"--every", "1ms"}, {"-o", "prose"}, {"--root", t.TempDir()}, {"stray"}} {
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

// A host may call itself anything, and its files may hold anything: nothing of it
// is obeyed by a terminal, in any format, and JSON stays the same value.
func TestHostileHostIsPrintedPlain(t *testing.T) {
	const evil = "node\x1b]0;owned\x07\x1b[2J\u202e\u009b31m"
	root := t.TempDir()
	for path, text := range map[string]string{
		"proc/1/mountinfo": "22 1 8:3 / / ro - ext4 /dev/" + evil + " ro\n", "proc/sys/kernel/hostname": evil, "etc/fstab": "/dev/" + evil + " / ext4 rw 0 0\n",
		"proc/mdstat": "md" + evil + " : inactive\n", "proc/loadavg": evil,
	} {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, format := range doctor.Formats() {
		for _, more := range [][]string{nil, {"--files"}} {
			var out, errs bytes.Buffer
			run(t.Context(), append([]string{"--root", root, "-o", format}, more...), &out, &errs)
			if out.Len() == 0 {
				t.Fatalf("%s: nothing printed: %s", format, errs.String())
			}
			if i := strings.IndexFunc(out.String()+errs.String(), func(r rune) bool { return r != '\n' && r != '\t' && !plain.Printable(r) }); i >= 0 {
				t.Errorf("%s %v: a terminal would obey %.60q", format, more, (out.String() + errs.String())[max(i-10, 0):])
			}
			if format == "json" && more == nil {
				var r doctor.Report
				if err := json.Unmarshal(out.Bytes(), &r); err != nil || len(r.Nodes) != 1 {
					t.Errorf("json: %v", err)
				}
			}
		}
	}
}
