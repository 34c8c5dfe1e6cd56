package monitoring

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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

// TestEveryAlertHasARunbook: the link in the page leads to what it means, what to
// look at and what to do, and every runbook belongs to an alert.
func TestEveryAlertHasARunbook(t *testing.T) {
	text, err := os.ReadFile("../../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		if !strings.HasPrefix(name, "Tidemill") {
			continue
		}
		headings[name] = true
		for _, item := range []string{"\n- **Means**: ", "\n- **Look at**: ", "\n- **Do**: "} {
			if strings.Count(body, item) != 1 {
				t.Errorf("docs/runbooks.md, %s: not one %q", name, strings.Trim(item, "\n-*: "))
			}
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

// TestFilesAreGrafanas: what Grafana's documentation of the dashboard model asks of a
// file, read from the files themselves: ids that are unique, rows and panels within
// 24 columns and not over each other, the data source by a variable that is there,
// queries with a letter each, and variables that are declared.
func TestFilesAreGrafanas(t *testing.T) {
	files, err := filepath.Glob("dashboards/*.json")
	if err != nil || len(files) != 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	uids := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var page grafanaPage
		if err := json.Unmarshal(text, &page); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if page.UID == "" || len(page.UID) > 40 || uids[page.UID] || page.Title == "" || page.SchemaVersion < 36 || len(page.Panels) < 5 {
			t.Errorf("%s: uid %q, title %q, schema %d, %d panels", file, page.UID, page.Title, page.SchemaVersion, len(page.Panels))
		}
		uids[page.UID] = true
		page.check(t, file, string(text))
	}
}

// grafanaPage is the part of Grafana's dashboard model that is checked.
type grafanaPage struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct{ List []struct{ Name, Type string } }
	Panels        []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Datasource  struct{ Type, UID string }
		FieldConfig *struct{ Defaults, Overrides any }
		Targets     []struct {
			RefID, Expr string
			Datasource  struct{ UID string }
		}
	}
}

func (p grafanaPage) check(t *testing.T, file, text string) {
	declared := map[string]bool{"__rate_interval": true, "__all": true} // Grafana's own
	for _, v := range p.Templating.List {
		declared[v.Name] = v.Type == "datasource" || v.Type == "query"
	}
	for _, m := range regexp.MustCompile(`\$\{?([a-z_]+)\}?`).FindAllStringSubmatch(text, -1) {
		if !declared[m[1]] {
			t.Errorf("%s: $%s is not declared", file, m[1])
		}
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, one := range p.Panels {
		if one.ID == 0 || ids[one.ID] {
			t.Errorf("%s: %q has id %d", file, one.Title, one.ID)
		}
		ids[one.ID] = true
		at := one.GridPos
		if at.X < 0 || at.X+at.W > 24 || at.W < 1 || at.H < 1 {
			t.Errorf("%s: %q is at %+v", file, one.Title, at)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%s: %q lies over %q", file, one.Title, other)
				}
				taken[[2]int{x, y}] = one.Title
			}
		}
		if one.Type == "row" {
			continue
		}
		letters := map[string]bool{}
		for _, q := range one.Targets {
			if q.RefID == "" || letters[q.RefID] || q.Expr == "" || q.Datasource.UID != "${datasource}" {
				t.Errorf("%s: %q has the query %+v", file, one.Title, q)
			}
			letters[q.RefID] = true
		}
		if len(letters) == 0 || one.Datasource.Type != "prometheus" || one.FieldConfig == nil {
			t.Errorf("%s: %q has %d queries, data source %+v", file, one.Title, len(letters), one.Datasource)
		}
	}
}

// TestColoursSayGoodOrBad: a state without a colour of its own is painted green by
// Grafana, a closed brake as well.
func TestColoursSayGoodOrBad(t *testing.T) {
	for _, d := range Dashboards() {
		for _, r := range d.Rows {
			for _, p := range r.Panels {
				if p.Look == States && len(p.Steps) == 0 {
					t.Errorf("%s, %s: which state is bad?", d.UID, p.Title)
				}
				for i := 1; i < len(p.Steps); i++ {
					if p.Steps[i].From <= p.Steps[i-1].From {
						t.Errorf("%s, %s: steps %v", d.UID, p.Title, p.Steps)
					}
				}
			}
		}
	}
	text := Panel{Look: States, Queries: []Query{{"tidemill_doctor_braked", ""}}}.amiss("red").grafana(1, nil)
	if fmt.Sprint(text["fieldConfig"]) != "map[defaults:map[color:map[mode:thresholds] custom:map[] thresholds:map[mode:absolute steps:[map[color:green value:<nil>] map[color:red value:1]]] unit:] overrides:[]]" {
		t.Errorf("a closed brake is painted by %v", text["fieldConfig"])
	}
}

// TestPanelsLeadToRunbooks: whoever sees that a number is bad finds what to do, for
// every alert but the one on a daemon that says nothing.
func TestPanelsLeadToRunbooks(t *testing.T) {
	led := map[string]bool{"TidemillPluginDataOld": true} // of the plugin, which has no page
	for _, d := range Dashboards() {
		for _, r := range d.Rows {
			for _, p := range r.Panels {
				for _, a := range p.runbooks() {
					led[a.Name] = true
				}
			}
		}
	}
	for _, a := range Alerts() {
		if !led[a.Name] {
			t.Errorf("no panel shows what %s judges: %v", a.Name, numbers(judged(a.Expr)))
		}
	}
	brake := Panel{Queries: []Query{{"tidemill_doctor_braked", ""}}}.runbooks()
	if len(brake) != 1 || brake[0].Name != "TidemillBrakeClosed" {
		t.Errorf("the brake's panel leads to %v", brake)
	}
}
