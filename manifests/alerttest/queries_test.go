package alerttest

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// given are the labels that a scrape adds.
var given = []string{"job", "instance", "cluster", "namespace", model.MetricNameLabel}

// TestQueriesAskForWhatThereIs: a panel on a misspelt metric is empty for ever and
// an alert on one never fires.
func TestQueriesAskForWhatThereIs(t *testing.T) {
	metrics := told(t)
	for _, p := range panels(t) {
		for _, expr := range p.exprs {
			check(t, p.name(), expr, metrics)
		}
	}
	for _, a := range alerts(t) {
		check(t, a.Alert, a.Expr, metrics)
	}
}

func check(t *testing.T, name, expr string, metrics map[string]string) {
	t.Helper()
	tree, err := parser.ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	parser.Inspect(tree, func(n parser.Node, path []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			known, ok := metrics[n.Name]
			if !ok {
				t.Errorf("%s asks for %s, which docs/metrics.md does not have", name, n.Name)
			}
			for _, m := range n.LabelMatchers {
				has(t, name, n.Name, known, m)
			}
		case *parser.AggregateExpr:
			var all []string
			parser.Inspect(n.Expr, func(n parser.Node, _ []parser.Node) error {
				if v, ok := n.(*parser.VectorSelector); ok {
					all = append(all, strings.Fields(metrics[v.Name])...)
				}
				return nil
			})
			for _, by := range n.Grouping {
				if !slices.Contains(given, by) && !slices.Contains(all, by) {
					t.Errorf("%s groups by %s, which no metric in it has", name, by)
				}
			}
		}
		return nil
	})
}

func has(t *testing.T, name, metric, known string, m *labels.Matcher) {
	t.Helper()
	if !slices.Contains(given, m.Name) && !slices.Contains(strings.Fields(known), m.Name) {
		t.Errorf("%s: %s has no label %s", name, metric, m.Name)
	}
}
