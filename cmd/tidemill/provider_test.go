package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/okesim"
)

// The command as a user starts it, against an emulated OKE: it prints the
// client's configuration, becomes healthy, has found its pools by their tags,
// and ends cleanly when it is told to.
func TestProviderServes(t *testing.T) {
	sim := okesim.New(okesim.Options{VerifySignatures: true})
	defer sim.Close()
	server := httptest.NewServer(sim)
	defer server.Close()
	config, err := sim.NewCredentials(t.TempDir(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	cluster := sim.AddCluster(okesim.Cluster{Name: "test"})
	for _, tags := range []map[string]string{{"team": "a", "minSize": "1", "maxSize": "4"}, {"team": "b"}} {
		if _, err := sim.AddPool(okesim.Pool{ClusterID: cluster, Name: "pool-" + tags["team"], Shape: "VM.Standard.E4.Flex", Size: 1, Placements: []okesim.Placement{{AD: sim.AvailabilityDomains()[0], SubnetID: "ocid1.subnet.oc1..test"}}, FreeformTags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	metrics := freeAddress(t)
	socket := filepath.Join(t.TempDir(), "s")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"tidemill", "provider", "--no-cluster", "--oci-config", config, "--oci-endpoint", server.URL, "--cluster-id", cluster,
			"--compartment-id", sim.Compartment(), "--listen", "unix://" + socket, "--metrics-addr", metrics,
			"--node-group-auto-discovery", "nodepoolTags:team=a,min:0,max:9"}, &stdout, &stderr)
	}()
	deadline := time.Now().Add(20 * time.Second)
	for get(metrics, "/healthz") != "200 OK\n" {
		if time.Now().After(deadline) || len(ended) > 0 {
			stop()
			t.Fatalf("not healthy (exit %d):\n%s", <-ended, stderr.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, want := range []string{"tidemill_plugin_groups 1\n", `tidemill_plugin_rpc_seconds_count{method="Refresh"} 0`, "tidemill_build_info{", "tidemill_cloud_calls_total{"} {
		if all := get(metrics, "/metrics"); !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("exit %d:\n%s", code, stderr.String())
	}
	if want := "address: \"unix://" + socket + "\"\ngrpc_timeout: 30s\n"; stdout.String() != want {
		t.Errorf("stdout %q, want %q", stdout.String(), want)
	}
	if !strings.Contains(stderr.String(), "min 1 max 4") {
		t.Errorf("the groups are not told:\n%s", stderr.String())
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// get is the status and the body of a page, "" while nobody answers.
func get(address, path string) string {
	r, err := http.Get("http://" + address + path)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	return r.Status + "\n" + string(body)
}
