package kube

import (
	"net/http"
	"strings"
)

// DryRun wraps a transport so that every write is sent with dryRun=All: the API
// server checks it, answers as if, and keeps nothing. It works below every
// client there is, so that no code path can forget it. Reviews of access and
// tokens store nothing and do not know dry run; they pass as they are.
func DryRun(next http.RoundTripper) http.RoundTripper { return dryRun{next} }

type dryRun struct{ next http.RoundTripper }

// WrappedRoundTripper lets client-go find the transport, see fenced.
func (d dryRun) WrappedRoundTripper() http.RoundTripper { return d.next }

// RoundTrip implements http.RoundTripper.
func (d dryRun) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return d.next.RoundTrip(r)
	}
	if strings.HasPrefix(r.URL.Path, "/apis/authentication.k8s.io/") || strings.HasPrefix(r.URL.Path, "/apis/authorization.k8s.io/") {
		return d.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	q := r.URL.Query()
	q.Set("dryRun", "All")
	r.URL.RawQuery = q.Encode()
	return d.next.RoundTrip(r)
}
