package kube_test

import (
	"net/http"
	"testing"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/transport"

	"github.com/tidemill/tidemill/internal/kube"
)

// cancelled counts what client-go asks of a transport beside requests.
type cancelled struct {
	wire
	requests, idle int
}

func (c *cancelled) CancelRequest(*http.Request) { c.requests++ }
func (c *cancelled) CloseIdleConnections()       { c.idle++ }

// TestTransportIsFound: client-go looks through our wrappers for the transport, when
// a request has timed out and when connections are of no use any more. Where it finds
// none it logs a warning with each time-out.
func TestTransportIsFound(t *testing.T) {
	for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{
		"fence":   kube.NewFence(kube.FenceOptions{Namespace: "tidemill-system", Lease: "tidemill"}).Wrap,
		"dry run": kube.DryRun,
	} {
		t.Run(name, func(t *testing.T) {
			c := &cancelled{}
			outer, ok := transport.NewUserAgentRoundTripper("tidemill", wrap(c)).(interface{ CancelRequest(*http.Request) })
			if !ok {
				t.Fatal("client-go's own wrapper cancels no requests any more: this test has lost its reason")
			}
			outer.CancelRequest(&http.Request{})
			utilnet.CloseIdleConnectionsFor(wrap(c))
			if c.requests != 1 || c.idle != 1 {
				t.Errorf("%d requests were given up and %d times connections closed, want 1 of each", c.requests, c.idle)
			}
		})
	}
}
