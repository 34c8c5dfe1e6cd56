package monitoring

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the dashboards and the alerts")

const head = "# Generated from manifests/monitoring: make generate.\n"

// TestGenerated: the files in the tree are what the code says, for kustomize and
// for helm alike.
func TestGenerated(t *testing.T) {
	rule, err := RuleYAML(Alerts())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "alerts.yaml", append([]byte(head), rule...))
	same(t, "../chart/files/alerts.yaml", append([]byte(head), rule...))
	file, err := RuleFile(Alerts())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "prometheus/rules.yml", append([]byte(head), file...))
	var want []string
	for _, d := range Dashboards() {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"dashboards", "../chart/files/dashboards"} {
			same(t, filepath.Join(dir, d.UID+".json"), text)
		}
		want = append(want, d.UID+".json")
	}
	for _, dir := range []string{"dashboards", "../chart/files/dashboards"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != len(want) {
			t.Errorf("%s has %d files, there are %d dashboards", dir, len(entries), len(want))
		}
	}
}

func same(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(want)); diff != "" {
		t.Errorf("%s is stale, run make generate (-file +code):\n%s", path, diff)
	}
}

// TestEveryAlertHasARunbook: the link in the page leads to a paragraph, and every
// paragraph belongs to an alert.
func TestEveryAlertHasARunbook(t *testing.T) {
	text, err := os.ReadFile("../../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "## Tidemill"); ok {
			headings["Tidemill"+name] = true
		}
	}
	for _, a := range Alerts() {
		if !headings[a.Name] {
			t.Errorf("docs/runbooks.md has no heading %s", a.Name)
		}
		delete(headings, a.Name)
		for _, s := range []string{a.Summary, a.About} {
			if s == "" {
				t.Errorf("%s says nothing", a.Name)
			}
		}
	}
	for name := range headings {
		t.Errorf("docs/runbooks.md tells of %s, which is no alert", name)
	}
}

// TestPanels: each asks something, in words too.
func TestPanels(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range Dashboards() {
		if seen[d.UID] {
			t.Errorf("two dashboards are called %s", d.UID)
		}
		seen[d.UID] = true
		for _, r := range d.Rows {
			for _, p := range r.Panels {
				if p.Title == "" || p.Unit == "" || p.Look == "" || len(p.Queries) == 0 {
					t.Errorf("%s: panel %q lacks a title, a unit, a look or a query", d.UID, p.Title)
				}
			}
		}
	}
}

// TestPlaces: no panel covers another.
func TestPlaces(t *testing.T) {
	for _, d := range Dashboards() {
		taken := map[[2]int]string{}
		d.each(func(title string, _ *Panel, at object) {
			for x := at["x"].(int); x < at["x"].(int)+at["w"].(int); x++ {
				for y := at["y"].(int); y < at["y"].(int)+at["h"].(int); y++ {
					if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
						t.Fatalf("%s: %q lies over %q", d.UID, title, other)
					}
					taken[[2]int{x, y}] = title
				}
			}
		})
	}
}
