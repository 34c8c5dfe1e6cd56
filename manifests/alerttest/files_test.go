package alerttest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"sigs.k8s.io/yaml"
)

// panel is what the tests need of a panel in a dashboard's file.
type panel struct {
	dashboard, title string
	exprs            []string
}

func (p panel) name() string { return p.dashboard + "/" + p.title }

// panels reads the dashboards as Grafana would, variables filled in.
func panels(t *testing.T) []panel {
	t.Helper()
	files, err := filepath.Glob("../monitoring/dashboards/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d dashboards are there: %v", len(files), err)
	}
	fill := strings.NewReplacer("$pool", ".*", "$__rate_interval", "1m")
	var out []panel
	for _, file := range files {
		var page struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &page); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range page.Panels {
			if len(p.Targets) == 0 {
				continue // a row
			}
			one := panel{dashboard: page.Title, title: p.Title}
			for _, q := range p.Targets {
				one.exprs = append(one.exprs, fill.Replace(q.Expr))
			}
			out = append(out, one)
		}
	}
	return out
}

// alerts reads the rules as Prometheus would.
func alerts(t *testing.T) []rulefmt.Rule {
	t.Helper()
	text, err := os.ReadFile("../monitoring/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var object struct{ Spec any }
	if err := yaml.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	spec, err := yaml.Marshal(object.Spec)
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(spec, false, model.UTF8Validation)
	if len(errs) > 0 {
		t.Fatalf("alerts.yaml: %v", errs)
	}
	var out []rulefmt.Rule
	for _, g := range groups.Groups {
		out = append(out, g.Rules...)
	}
	if len(out) < 10 {
		t.Fatalf("%d alerts are there: the tests would prove nothing", len(out))
	}
	return out
}

// told are the metrics and their labels that docs/metrics.md lists; foreign are
// those of the libraries, which it does not.
func told(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{
		"process_resident_memory_bytes": "", "process_cpu_seconds_total": "", "rest_client_requests_total": "code method host",
	}
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("(?m)^\\| `([a-z_:]+)` \\| (counter|gauge|histogram) \\| ([^|]*) \\|")
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		labels := strings.NewReplacer("`", "", ",", "").Replace(m[3])
		out[m[1]] = labels
		if m[2] == "histogram" {
			out[m[1]+"_bucket"], out[m[1]+"_sum"], out[m[1]+"_count"] = labels+" le", labels, labels
		}
	}
	if len(out) < 50 {
		t.Fatalf("docs/metrics.md tells of %d metrics: the tests would prove nothing", len(out))
	}
	return out
}
