package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
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
	deadline := time.Now().Add(time.Minute)
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

// Conflicts and gaps are told before anything is asked of the cloud.
func TestProviderRefuses(t *testing.T) {
	ids := []string{"--no-cluster", "--cluster-id", "c", "--compartment-id", "p", "--metrics-addr", "0", "--listen", "127.0.0.1:0"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no pools":                   {nil, "no pools are chosen"},
		"one pool twice":             {[]string{"--nodes", "1:2:a", "--nodes", "1:3:a"}, "--nodes names a twice, as 1:2 and as 1:3"},
		"two rules for one tag":      {[]string{"--node-group-auto-discovery", "nodepoolTags:a=b,min:0,max:2", "--node-group-auto-discovery", "nodepoolTags:a=b,min:0,max:3"}, "with 0:2 and with 0:3"},
		"rules for two clusters":     {[]string{"--node-group-auto-discovery", "clusterId:d,nodepoolTags:a=b,min:0,max:2"}, "clusterId d of --node-group-auto-discovery is not c"},
		"open to strangers":          {[]string{"--pools", "--listen", "0.0.0.0:8086"}, "others on the network could delete nodes"},
		"expander without a key":     {[]string{"--expander-listen", "127.0.0.1:0"}, "the expander has no certificate"},
		"expander of no such kind":   {[]string{"--expander-listen", "127.0.0.1:0", "--expander-cert", "c", "--expander-key", "k", "--expander", "dearest"}, "dearest"},
		"priorities without a place": {[]string{"--expander-listen", "127.0.0.1:0", "--expander-cert", "c", "--expander-key", "k", "--expander-priorities", "x"}, "is not namespace/name"},
	} {
		t.Run(name, func(t *testing.T) {
			sim := okesim.New(okesim.Options{})
			defer sim.Close()
			config, err := sim.NewCredentials(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			code := run(t.Context(), slices.Concat([]string{"tidemill", "provider", "--oci-config", config, "--oci-endpoint", "http://127.0.0.1:1"}, ids, c.args), io.Discard, &stderr)
			if code != exitUsage || !strings.Contains(stderr.String(), c.want) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, exitUsage, c.want, stderr.String())
			}
		})
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
