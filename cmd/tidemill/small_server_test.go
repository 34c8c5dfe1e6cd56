package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// smallServer is as much of an API server as status asks for.
func smallServer(t *testing.T) (kubeconfig string) {
	t.Helper()
	const (
		group = `{"groupVersion":"tidemill.dev/v1alpha1","version":"v1alpha1"}`
		pools = `{"name":"pools","kind":"Pool","namespaced":false,"verbs":["list"]}`
		pool  = `{"metadata":{"name":"workers"},"spec":{"nodePoolID":"w"},"status":{"size":3,"ready":2,"activity":"cycling 1/3 to v1.35.0","cycle":{"request":"r","replaced":1,"stale":2}}}`
		core  = `{"name":"nodes","kind":"Node","namespaced":false,"verbs":["list"]},{"name":"pods","kind":"Pod","namespaced":true,"verbs":["list"]},{"name":"events","kind":"Event","namespaced":true,"verbs":["list"]}`
	)
	answers := map[string]string{
		"/version":                          `{"major":"1","minor":"36","gitVersion":"v1.36.3"}`,
		"/api":                              `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis":                             `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"tidemill.dev","versions":[` + group + `],"preferredVersion":` + group + `}]}`,
		"/apis/tidemill.dev":                `{"kind":"APIGroup","apiVersion":"v1","name":"tidemill.dev","versions":[` + group + `],"preferredVersion":` + group + `}`,
		"/apis/tidemill.dev/v1alpha1":       `{"kind":"APIResourceList","groupVersion":"tidemill.dev/v1alpha1","resources":[` + pools + `]}`,
		"/api/v1":                           `{"kind":"APIResourceList","groupVersion":"v1","resources":[` + core + `]}`,
		"/apis/tidemill.dev/v1alpha1/pools": `{"kind":"PoolList","apiVersion":"tidemill.dev/v1alpha1","items":[` + pool + `]}`,
		"/api/v1/nodes":                     `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"10.0.0.1"},"spec":{"providerID":"x"}}]}`,
		"/api/v1/pods":                      `{"kind":"PodList","apiVersion":"v1","items":[]}`,
		"/api/v1/events":                    `{"kind":"EventList","apiVersion":"v1","items":[]}`,
		"/api/v1/namespaces/default/events": `{"kind":"EventList","apiVersion":"v1","items":[{"metadata":{"name":"e","namespace":"default"},"involvedObject":{"kind":"Pool","name":"workers"},"reason":"CycleStarted","message":"start a run","eventTime":"2026-03-01T12:00:00.000000Z"}]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		text, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			text = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: %q}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: t}}]\n", server.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
