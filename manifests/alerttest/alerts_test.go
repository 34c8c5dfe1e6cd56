package alerttest

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"golang.org/x/tools/txtar"
)

// span is how long a story is, and step how often the rules are evaluated.
const (
	span = 4 * time.Hour
	step = time.Minute
)

// TestAlerts: each alert fires at the end of its story "fires", and never in any
// other. The stories are series, a value a minute.
func TestAlerts(t *testing.T) {
	var names []string
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
		t.Run(a.Alert, func(t *testing.T) {
			story, err := txtar.ParseFile("testdata/alerts/" + a.Alert + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			kinds := map[string]bool{}
			for _, f := range story.Files {
				kind, _, _ := strings.Cut(f.Name, ":")
				kinds[kind] = true
				fired, at := play(t, a, string(f.Data))
				switch {
				case kind == "fires" && !fired:
					t.Errorf("%s: it did not fire", f.Name)
				case kind == "quiet" && fired:
					t.Errorf("%s: it fired after %s", f.Name, at)
				case kind != "fires" && kind != "quiet":
					t.Errorf("%q is neither fires nor quiet", f.Name)
				}
			}
			if !kinds["fires"] || !kinds["quiet"] {
				t.Error("a story that fires and one that is quiet are needed")
			}
		})
	}
	files, err := filepath.Glob("testdata/alerts/*.txt")
	if err != nil || len(files) != len(names) {
		t.Errorf("%d stories for %d alerts: %v", len(files), len(names), err)
	}
}

// play evaluates the rule every minute and says whether, and when first, it fired.
func play(t *testing.T, a rulefmt.Rule, series string) (fired bool, after time.Duration) {
	t.Helper()
	st := promqltest.LoadedStorage(t, "load 1m\n"+indent(series))
	defer func() { _ = st.Close() }()
	expr, err := parser.ParseExpr(a.Expr)
	if err != nil {
		t.Fatal(err)
	}
	rule := rules.NewAlertingRule(a.Alert, expr, time.Duration(a.For), 0, labels.FromMap(a.Labels), labels.FromMap(a.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler))
	query := rules.EngineQueryFunc(promqltest.NewTestEngine(t, false, 5*time.Minute, 1_000_000), st)
	for d := time.Duration(0); d < span; d += step {
		if _, err := rule.Eval(t.Context(), 0, time.UnixMilli(0).Add(d), query, nil, 0); err != nil {
			t.Fatal(err)
		}
		for _, active := range rule.ActiveAlerts() {
			if active.State != rules.StateFiring {
				continue
			}
			for _, text := range []string{active.Annotations.Get("summary"), active.Annotations.Get("description")} {
				if text == "" || strings.Contains(text, "<no value>") || strings.Contains(text, "<error") || strings.Contains(text, "  ") {
					t.Errorf("it would say %q", text)
				}
			}
			return true, d
		}
	}
	return false, 0
}

func indent(series string) string {
	var b strings.Builder
	for line := range strings.Lines(series) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			b.WriteString("  " + line + "\n")
		}
	}
	return b.String()
}

// TestStoriesAreText: a file without series would be quiet whatever the rule says.
func TestStoriesAreText(t *testing.T) {
	files, err := filepath.Glob("testdata/alerts/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range txtar.Parse(text).Files {
			if indent(string(part.Data)) == "" {
				t.Errorf("%s: %s has no series", f, part.Name)
			}
		}
	}
}
