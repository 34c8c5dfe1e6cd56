package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bareCluster is an API server that knows no resource of tidemill's, and shows
// nodes and whatever else it is told to; all else is forbidden.
func bareCluster(t *testing.T, shown ...string) (kubeconfig string) {
	t.Helper()
	answers := map[string]string{
		"/version": `{"major":"1","minor":"34","gitVersion":"v1.34.1"}`,
		"/api":     `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis":    `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`,
		"/api/v1": `{"kind":"APIResourceList","groupVersion":"v1","resources":[
			{"name":"nodes","kind":"Node","namespaced":false,"verbs":["list"]},{"name":"pods","kind":"Pod","namespaced":true,"verbs":["list"]}]}`,
		"/api/v1/nodes": `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"10.0.1.7","uid":"u","creationTimestamp":"2026-01-01T00:00:00Z"},
			"spec":{"providerID":"oci://ocid1.instance.oc1.iad.x"},
			"status":{"conditions":[{"type":"Ready","status":"Unknown","lastTransitionTime":"2026-01-02T00:00:00Z","message":"Kubelet stopped posting node status."}]}}]}`,
		"/api/v1/pods": `{"kind":"PodList","apiVersion":"v1","items":[]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer, known := answers[r.URL.Path]
		for _, part := range []string{"nodes", "pods"} {
			if strings.HasSuffix(r.URL.Path, "/v1/"+part) {
				known = false
				for _, s := range shown {
					known = known || s == part
				}
			}
		}
		if strings.Contains(r.URL.Path, "tidemill.dev") {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
			return
		}
		if !known {
			w.WriteHeader(http.StatusForbidden)
			json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": r.URL.Path + " is forbidden"})
			return
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":%q}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],"users":[{"name":"u","user":{"token":"x"}}]}`, server.URL)
	if err := os.WriteFile(kubeconfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// The doctor is what is tried first: it needs nothing of tidemill's in the
// cluster, and no more rights than to list nodes.
func TestDoctorWithoutTidemill(t *testing.T) {
	for _, name := range []string{"TIDEMILL_COMPARTMENT_ID", "TIDEMILL_CLUSTER_ID", "OCI_COMPARTMENT_ID", "OCI_CLUSTER_ID", "KUBERNETES_SERVICE_HOST", "OCI_METADATA_BASE_URL"} {
		t.Setenv(name, "")
	}
	t.Setenv("TIDEMILL_OCI_AUTH", "api_key")
	for _, c := range []struct {
		shown        []string
		code         int
		stdout       []string
		stderr, less string
	}{
		{[]string{"nodes", "pods"}, 1, []string{
			"FAIL    ready: KubeletSilent, on 1 of 1 node\n",
			"SKIPPED pools.tidemill.dev: tidemill is not installed in this cluster; nothing is said about repair\n",
			"SKIPPED oke: not asked, as --compartment-id and --cluster-id are not given; not checked: instance-gone",
			"; not checked: system-pods, oke-daemonsets\n",
			"1 node: 0 fine, 1 with a problem, 0 not fully examined\n",
		}, "", "UNKNOWN pods"},
		{[]string{"nodes"}, 1, []string{"FAIL    ready: KubeletSilent", "UNKNOWN pods: you may not list them; not checked: system-pods"}, "", "panic"},
		{nil, 2, nil, "nodes is forbidden", "panic"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"tidemill", "doctor", "--kubeconfig", bareCluster(t, c.shown...)}, &stdout, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.stderr) || strings.Contains(stdout.String(), c.less) {
			t.Errorf("%v: exit code %d, want %d\n%s%s", c.shown, code, c.code, stdout.String(), stderr.String())
		}
		for _, want := range c.stdout {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%v: %q is not said:\n%s", c.shown, want, stdout.String())
			}
		}
	}
}

// A node that has just gone keeps nobody from hearing of the others, and is no
// finding: the command could not look at it.
func TestDoctorOfNodesThatAreGone(t *testing.T) {
	quietEnvironment(t)
	t.Setenv("TIDEMILL_OCI_AUTH", "api_key")
	for _, c := range []struct {
		names  []string
		stdout string
	}{
		{[]string{"gone", "10.0.1.7"}, "1 node: 0 fine, 1 with a problem, 0 not fully examined\n"},
		{[]string{"gone"}, ""},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"tidemill", "doctor", "--kubelet", "off", "--kubeconfig", bareCluster(t, "nodes", "pods")}, c.names...), &stdout, &stderr)
		if code != 2 || !strings.Contains(stderr.String(), "there is no node gone\n") || !strings.HasSuffix(stdout.String(), c.stdout) || (c.stdout == "") != (stdout.Len() == 0) {
			t.Errorf("%v: exit code %d\n%s%s", c.names, code, stdout.String(), stderr.String())
		}
	}
}
