package doctor

import (
	"math"
	"strings"
	"testing"
)

// metricsText is of a kubelet of 1.36, cut down.
const metricsText = `# HELP kubelet_pleg_last_seen_seconds [ALPHA] Timestamp in seconds when PLEG was last seen active.
# TYPE kubelet_pleg_last_seen_seconds gauge
kubelet_pleg_last_seen_seconds 1.7723664e+09
kubelet_pleg_relist_duration_seconds_bucket{le="0.005"} 10
kubelet_pleg_relist_duration_seconds_bucket{le="10"} 12
kubelet_pleg_relist_duration_seconds_bucket{le="+Inf"} 12
kubelet_runtime_operations_duration_seconds_bucket{operation_type="create_container",le="0.005"} 3
kubelet_runtime_operations_duration_seconds_bucket{operation_type="create_container",le="+Inf"} 4
kubelet_runtime_operations_duration_seconds_bucket{operation_type="status",le="0.005"} 5
kubelet_runtime_operations_duration_seconds_bucket{operation_type="status",le="+Inf"} 5
kubelet_runtime_operations_duration_seconds_bucket{operation_type="pull_image",le="+Inf"} 99
kubelet_certificate_manager_client_ttl_seconds 2.5920e+07
kubelet_certificate_manager_client_expiration_renew_errors 2
process_start_time_seconds 1.77236e+09
`

func TestParseKubeletMetrics(t *testing.T) {
	m, err := parseKubeletMetrics(strings.NewReader(metricsText))
	if err != nil {
		t.Fatal(err)
	}
	if m.Started.Unix() != 1772360000 || m.PLEGSeen.Unix() != 1772366400 || m.ClientTTL != 25920000 || !math.IsNaN(m.ServerTTL) || m.RenewErrors != 2 {
		t.Errorf("%+v", m)
	}
	if b, n := m.Runtime.quantile(0.5); b != 0.005 || n != 9 {
		t.Errorf("runtime: half are at most %gs of %g, want 0.005 of 9 without image pulls", b, n)
	}
	if b, n := m.Relist.quantile(0.99); b != 10 || n != 12 {
		t.Errorf("relist: %gs of %g", b, n)
	}
	for name, text := range map[string]string{"nothing": "", "a page": "<html>process_start</html>", "one long line": "kubelet_" + strings.Repeat("x", maxMetricsLine),
		"endless": strings.Repeat(strings.Repeat("y", 1023)+"\n", maxMetrics>>10+1)} {
		if m, err := parseKubeletMetrics(strings.NewReader(text)); err == nil {
			t.Errorf("%s was read as %+v", name, m)
		}
	}
}

func FuzzKubeletMetrics(f *testing.F) {
	f.Add(metricsText)
	f.Add("process_start_time_seconds{a=\"}\"} NaN\nkubelet_pleg_relist_duration_seconds_bucket{le=\"NaN\"} 1 2\nprocess_start_time_seconds 2e9")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseKubeletMetrics(strings.NewReader(text))
		if (m == nil) == (err == nil) {
			t.Fatalf("%v, %v", m, err)
		}
		if m != nil {
			m.Relist.quantile(0.99)
			m.Runtime.since(m.Relist).quantile(0.5)
		}
	})
}

func FuzzConfigz(f *testing.F) {
	f.Add([]byte(`{"kubeletconfig":{"maxPods":110,"a":{"b":[1,2]},"providerID":"x","e":{}}}`))
	f.Add([]byte(`{"kubeletconfig":` + strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 41)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfigz(data)
		if (c == nil) == (err == nil) || len(c) > maxConfigKeys+1 {
			t.Fatalf("%d fields, %v", len(c), err)
		}
		if _, there := c["providerID"]; there {
			t.Error("a field that is each node's own")
		}
	})
}
