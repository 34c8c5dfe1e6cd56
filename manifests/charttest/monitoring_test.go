package charttest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint/rules"
	"helm.sh/helm/v3/pkg/lint/support"
	"sigs.k8s.io/yaml"
)

// watched are values with everything on that watches.
var watched = object{
	"serviceMonitor": object{"enabled": true, "labels": object{"release": "kube-prometheus"}, "interval": "15s"},
	"alerts":         object{"enabled": true, "labels": object{"release": "kube-prometheus"}},
	"dashboards":     object{"enabled": true},
}

// TestMonitoring: with all of it on, the alerts and dashboards are those of
// ../monitoring, to the byte where a byte matters: "{{ $labels.pool }}" is
// Prometheus' to fill in and not helm's.
func TestMonitoring(t *testing.T) {
	text, err := render(t, "nodes", watched)
	if err != nil {
		t.Fatal(err)
	}
	got := parse(t, text)
	var alerts, monitor object
	readYAML(t, "../monitoring/alerts.yaml", &alerts)
	readYAML(t, "../monitoring/servicemonitor.yaml", &monitor)
	rule := got["PrometheusRule nodes/tidemill"]
	if diff := cmp.Diff(alerts["spec"], rule["spec"]); diff != "" {
		t.Errorf("alerts (-monitoring +chart):\n%s", diff)
	}
	monitor["spec"].(object)["endpoints"].([]any)[0].(object)["interval"] = "15s"
	if diff := cmp.Diff(monitor["spec"], got["ServiceMonitor nodes/tidemill"]["spec"]); diff != "" {
		t.Errorf("ServiceMonitor (-monitoring +chart):\n%s", diff)
	}
	for _, key := range []string{"PrometheusRule nodes/tidemill", "ServiceMonitor nodes/tidemill"} {
		if got[key]["metadata"].(object)["labels"].(object)["release"] != "kube-prometheus" {
			t.Errorf("%s lacks the label that its operator chooses by", key)
		}
	}
	files, err := filepath.Glob("../monitoring/dashboards/*.json")
	if err != nil || len(files) != 5 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	for _, file := range files {
		base := filepath.Base(file)
		dashboard := got["ConfigMap nodes/tidemill-dashboard-"+strings.TrimSuffix(base, ".json")]
		if dashboard == nil {
			t.Errorf("%s is not there", base)
			continue
		}
		if dashboard["metadata"].(object)["labels"].(object)["grafana_dashboard"] != "1" {
			t.Errorf("%s lacks the label that Grafana's sidecar looks for", base)
		}
		var want, have any
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &want)
		}
		if err == nil {
			err = json.Unmarshal([]byte(dashboard["data"].(object)[base].(string)), &have)
		}
		if diff := cmp.Diff(want, have); err != nil || diff != "" {
			t.Errorf("%s: %v (-monitoring +chart):\n%s", base, err, diff)
		}
	}
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestLint: helm's own linter has nothing to say, with little set and with all.
func TestLint(t *testing.T) {
	for name, values := range map[string]object{"defaults": {}, "watched": watched} {
		linter := support.Linter{ChartDir: "../chart"}
		rules.Chartfile(&linter)
		rules.ValuesWithOverrides(&linter, values)
		rules.TemplatesWithSkipSchemaValidation(&linter, values, "nodes", nil, false)
		for _, m := range linter.Messages {
			if m.Severity < support.WarningSev {
				continue // it would like an icon
			}
			t.Errorf("%s: %s", name, m.Error())
		}
	}
}

// TestNotes: what helm says afterwards names the namespace, and what is to be done
// for this way of getting in and no other.
func TestNotes(t *testing.T) {
	for auth, want := range map[string]string{"api_key": "create secret generic tidemill-oci", "oke_workload_identity": "for oke_workload_identity"} {
		c, err := loader.Load("../chart")
		if err != nil {
			t.Fatal(err)
		}
		values, err := chartutil.ToRenderValues(c, object{"oci": object{"auth": auth}}, chartutil.ReleaseOptions{Name: "tidemill", Namespace: "nodes"}, chartutil.DefaultCapabilities)
		if err != nil {
			t.Fatal(err)
		}
		files, err := engine.Render(c, values)
		if err != nil {
			t.Fatal(err)
		}
		notes := files["tidemill/templates/NOTES.txt"]
		if !strings.Contains(notes, want) || !strings.Contains(notes, "kubectl -n nodes ") || strings.Contains(notes, "{{") {
			t.Errorf("%s: the notes are\n%s", auth, notes)
		}
		if (auth == "api_key") != strings.Contains(notes, "Secret") {
			t.Errorf("%s: a Secret is spoken of, or not:\n%s", auth, notes)
		}
	}
}

// TestMemory: a limit of the user's is the daemon's to read; only ours has a number.
func TestMemory(t *testing.T) {
	for limit, want := range map[string]bool{"1Gi": true, "2Gi": false} {
		text, err := render(t, "nodes", object{"resources": object{"limits": object{"memory": limit}}})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "GOMEMLIMIT") != want {
			t.Errorf("limit %s: GOMEMLIMIT is there: %t, want %t", limit, !want, want)
		}
	}
}
