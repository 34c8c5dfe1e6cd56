package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// The control plane is upgraded while the daemon runs: a version that was refused before
// is one that it bears now, and nodes that run it are not too new.
func TestControlPlaneIsUpgraded(t *testing.T) {
	version, asked := "v1.34.1", 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if version == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, `{"major":"1","minor":"x","gitVersion":%q}`, version)
	}))
	defer server.Close()
	c := &cluster{config: &rest.Config{Host: server.URL}, server: server.URL}
	if err := c.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := c.controlPlane()
	for _, step := range []struct{ runs, want string }{{"v1.34.1", "v1.34.1"}, {"v1.35.0", "v1.35.0"}, {"", "v1.35.0"}, {"v1.36.0", "v1.36.0"}} {
		version, p.asked = step.runs, p.asked.Add(-2*planeEvery)
		if got := p.version(); got != step.want {
			t.Errorf("the server runs %q and is known as %q, want %q", step.runs, got, step.want)
		}
	}
	before := asked
	for range 100 {
		p.version()
	}
	if time.Since(p.asked) < planeEvery && asked != before {
		t.Errorf("asked %d times more within a minute", asked-before)
	}
}
