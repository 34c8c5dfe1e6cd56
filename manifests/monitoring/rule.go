package monitoring

import (
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// promRule is the part of the Prometheus operator's PrometheusRule that is used.
type promRule struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]string `json:"metadata"`
	Spec       groups            `json:"spec"`
}

// groups are what Prometheus itself reads.
type groups struct {
	Groups []group `json:"groups"`
}

type group struct {
	Name  string `json:"name"`
	Rules []rule `json:"rules"`
}

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// RuleYAML is a PrometheusRule with all alerts, for the operator.
func RuleYAML(alerts []Alert) ([]byte, error) {
	r := promRule{APIVersion: "monitoring.coreos.com/v1", Kind: "PrometheusRule", Metadata: map[string]string{"name": "tidemill"}}
	r.Spec = rules(alerts)
	return yaml.Marshal(r)
}

// RuleFile is a rule file of Prometheus itself with the same alerts.
func RuleFile(alerts []Alert) ([]byte, error) { return yaml.Marshal(rules(alerts)) }

func rules(alerts []Alert) groups {
	g := group{Name: "tidemill"}
	for _, a := range alerts {
		hold := ""
		if a.For > 0 {
			hold = short(a.For)
		}
		g.Rules = append(g.Rules, rule{
			Alert: a.Name, Expr: a.Expr, For: hold,
			Labels:      map[string]string{"severity": string(a.Severity)},
			Annotations: map[string]string{"summary": a.Summary, "description": a.About, "runbook_url": a.Runbook()},
		})
	}
	return groups{[]group{g}}
}

// short writes whole minutes and hours as Prometheus reads them.
func short(d time.Duration) string {
	s := d.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// lower is a heading's anchor: GitHub writes it in small letters.
func lower(name string) string { return strings.ToLower(name) }
