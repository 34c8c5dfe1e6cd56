package monitoring

import (
	"regexp"
	"slices"
)

// Step is where a number begins to be good or bad. What is colourful is to be
// looked at: a page on which all is well is green and grey.
type Step struct {
	Colour string // "green", "orange", "red"
	From   float64
}

// fine is a panel whose numbers are good from 1 on: a yes is good news.
func (p Panel) fine() Panel {
	p.Steps = []Step{{"red", 0}, {"green", 1}}
	return p
}

// amiss is a panel whose numbers are bad from 1 on: a yes is to be looked at.
func (p Panel) amiss(colour string) Panel {
	p.Steps = []Step{{"green", 0}, {colour, 1}}
	return p
}

// from is a panel whose numbers are worth a look at one height, and bad at another:
// that of the alert on them.
func (p Panel) from(look, bad float64) Panel {
	p.Steps = []Step{{"green", 0}, {"orange", look}, {"red", bad}}
	return p
}

// thresholds are the steps as Grafana writes them: the first has no bound.
func thresholds(steps []Step) object {
	var out []object
	for i, s := range steps {
		var value any
		if i > 0 {
			value = s.From
		}
		out = append(out, object{"color": s.Colour, "value": value})
	}
	return object{"mode": "absolute", "steps": out}
}

var metric = regexp.MustCompile(`\b(?:tidemill|cluster_autoscaler)_[a-z_]+`)

// numbers are the metrics that a query reads.
func numbers(expr string) []string { return metric.FindAllString(expr, -1) }

// runbooks are the alerts that judge the numbers of this panel: their runbooks are
// one click away.
func (p Panel) runbooks() []Alert {
	var read []string
	for _, q := range p.Queries {
		read = append(read, numbers(judged(q.Expr))...)
	}
	return slices.DeleteFunc(Alerts(), func(a Alert) bool {
		return !slices.ContainsFunc(numbers(judged(a.Expr)), func(m string) bool { return slices.Contains(read, m) })
	})
}

// judged is the part of an expression whose number counts, without what is asked
// beside ("and on (instance) tidemill_leader == 1").
func judged(expr string) string {
	if i := besides.FindStringIndex(expr); i != nil {
		return expr[:i[0]]
	}
	return expr
}

var besides = regexp.MustCompile(`\b(?:and|unless)\b`)
