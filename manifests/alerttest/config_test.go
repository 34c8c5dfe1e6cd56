package alerttest

import (
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/rulefmt"
	"sigs.k8s.io/yaml"
)

// TestPrometheusConfiguration reads the shipped job as Prometheus does, but for
// discovery by Kubernetes, whose client is as heavy as all the rest: what it may
// say is little, and written down here.
func TestPrometheusConfiguration(t *testing.T) {
	text, err := os.ReadFile("../monitoring/prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	var discovery struct {
		Jobs []struct {
			By []struct {
				Role       string
				Namespaces struct{ Names []string }
			} `json:"kubernetes_sd_configs"`
		} `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal(text, &discovery); err != nil {
		t.Fatal(err)
	}
	if by := discovery.Jobs[0].By; len(by) != 1 || by[0].Role != "endpointslice" || !slices.Equal(by[0].Namespaces.Names, []string{"tidemill-system"}) {
		t.Errorf("discovery is %+v", by)
	}
	begin, rest, _ := strings.Cut(string(text), "  kubernetes_sd_configs:\n")
	_, rest, found := strings.Cut(rest, "    namespaces: {names: [tidemill-system]}\n")
	c, err := config.Load(begin+rest, slog.New(slog.DiscardHandler))
	if err != nil || !found {
		t.Fatalf("discovery was found to cut it out: %t, %v", found, err)
	}
	jobs, err := c.GetScrapeConfigs()
	if err != nil || len(jobs) != 1 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	if jobs[0].Scheme != "https" || !slices.Equal(c.RuleFiles, []string{"rules.yml"}) {
		t.Errorf("scheme %q, rule files %v", jobs[0].Scheme, c.RuleFiles)
	}
}

// TestRuleFile: the rules for Prometheus itself are those for the operator.
func TestRuleFile(t *testing.T) {
	groups, errs := rulefmt.ParseFile("../monitoring/prometheus/rules.yml", false, model.UTF8Validation)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var got, want []string
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			got = append(got, r.Alert+": "+r.Expr)
		}
	}
	for _, a := range alerts(t) {
		want = append(want, a.Alert+": "+a.Expr)
	}
	if !slices.Equal(got, want) {
		t.Errorf("rules.yml has %q,\nalerts.yaml %q", got, want)
	}
}
