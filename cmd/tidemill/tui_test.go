package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tidemill/tidemill/cloudprovider"
)

func TestReport(t *testing.T) {
	pools := schema.GroupResource{Group: "tidemill.dev", Resource: "pools"}
	tests := []struct {
		name string
		err  error
		code int
		want string // a line of hint, or ""
	}{
		{"nothing", nil, exitOK, ""},
		{"said already", no(), exitNo, ""},
		{"ctrl-C", fmt.Errorf("list: %w", context.Canceled), exitNo, ""},
		{"usage", usage(errors.New("x"), "do y"), exitUsage, "tidemill: hint: do y\n"},
		{"wrapped", fmt.Errorf("more: %w", blind(errors.New("x"), "do y")), exitBlind, "tidemill: hint: do y\n"},
		{"a hint from within", errors.New("open x\nhint: do z"), exitNo, "tidemill: hint: do z\n"},
		{"no CRD", fmt.Errorf("list: %w", &meta.NoKindMatchError{}), exitBlind, "kubectl apply -k manifests"},
		{"wrong key", fmt.Errorf("list: %w", cloudprovider.ErrUnauthorized), exitBlind, "fingerprint"},
		{"kubeconfig expired", apierrors.NewUnauthorized("no"), exitBlind, "renew them"},
		{"no right", apierrors.NewForbidden(pools, "p", errors.New("no")), exitBlind, "manifests/base/rbac.yaml"},
		{"server busy", apierrors.NewServiceUnavailable("no"), exitBlind, "try again"},
		{"nobody there", fmt.Errorf("list: %w", &url.Error{Op: "Get", URL: "http://x", Err: syscall.ECONNREFUSED}), exitBlind, "reachable from here"},
		{"anything else", errors.New("x"), exitNo, ""},
	}
	for _, test := range tests {
		var b bytes.Buffer
		if got := report(&b, test.err); got != test.code {
			t.Errorf("%s: exit code %d, want %d", test.name, got, test.code)
		}
		if !bytes.Contains(b.Bytes(), []byte(test.want)) || bytes.Count(b.Bytes(), []byte("tidemill: error: ")) > 1 {
			t.Errorf("%s: said %q, want a hint %q", test.name, b.String(), test.want)
		}
	}
}

func TestProgress(t *testing.T) {
	show := func(terminal bool) string {
		var b bytes.Buffer
		p := &progress{w: &b, terminal: terminal}
		for _, s := range []string{"1 of 3", "1 of 3", "2 of\x1b[2J 3"} {
			p.show(s)
		}
		p.done()
		return b.String()
	}
	if diff := cmp.Diff("1 of 3\n2 of\\u001b[2J 3\n", show(false)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("\r\x1b[K1 of 3\r\x1b[K2 of\\u001b[2J 3\n", show(true)); diff != "" {
		t.Errorf("terminal (-want +got):\n%s", diff)
	}
}

func TestGather(t *testing.T) {
	got := gather([]because{
		sentence("node", "n1", "node n1 stays: Young"), sentence("pod", "a/p", "pod a/p is not helped"),
		sentence("node", "n2", "node n2 stays: Young"), sentence("node", "n3", "node n3 stays: Needed"),
		{"pod", "a/q", 4, " is not helped"},
	})
	want := []string{"node n1 (and 1 more) stays: Young", "pod a/p (and 4 more) is not helped", "node n3 stays: Needed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
