package cycle

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// saying is a server that says one thing.
type saying struct {
	status int
	body   []byte
}

func (a saying) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Body: io.NopCloser(bytes.NewReader(a.body))}, nil
}

// Whatever a gate's server answers, the gate is open only for what means yes: the
// wanted status, or a successful query with a sample and none that is 0.
func FuzzGateAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`, `{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"0"]},{"value":[1,"NaN"]}]}}`,
		`{"status":"success","data":{"resultType":"vector","result":[{"value":[1]}]}}`, `{"status":"success","data":{"resultType":"vector","result":null}}`,
		`{"status":"success","data":{"resultType":"scalar","result":[]}}`, `{"status":"error","error":"` + "\x1b[2J" + `"}`, `{"status":"success","data":{"resultType":"matrix","result":[]}}`,
		`{"status":"success","data":{"resultType":"scalar","result":[1,"1e999"]}}`, "", "[]", strings.Repeat("[", 20000), "ok",
	} {
		f.Add(200, seed)
		f.Add(503, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		l := &Loop{HTTP: &http.Client{Transport: saying{status, []byte(body)}}}
		probe := l.askOne(t.Context(), v1alpha1.CycleGate{Name: "p", HTTP: &v1alpha1.HTTPGate{URL: "http://gate.example/", Body: "^ok$"}})
		if probe.Open != (status == 200 && body == "ok") {
			t.Errorf("status %d, body %q: open %t: %s", status, body, probe.Open, probe.Message)
		}
		query := l.askOne(t.Context(), v1alpha1.CycleGate{Name: "q", Prometheus: &v1alpha1.PrometheusGate{URL: "http://gate.example", Query: "up"}})
		if query.Open && !means(body) {
			t.Errorf("body %q opens the gate", body)
		}
		if !query.Open && query.Message == "" || !probe.Open && probe.Message == "" {
			t.Errorf("status %d, body %q: shut without a reason", status, body)
		}
	})
}

// means is whether a body can mean yes at all, read in another way than the gate
// reads it.
func means(body string) bool {
	var a map[string]any
	if json.Unmarshal([]byte(body), &a) != nil {
		return false
	}
	for key, v := range a { // encoding/json does not tell the case of keys apart
		if strings.EqualFold(key, "status") && v == "success" {
			return strings.Contains(strings.ToLower(body), "value") || strings.Contains(body, "scalar")
		}
	}
	return false
}
