package okesim

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
)

func TestArmedFaults(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)

	c.FailNext("UpdateNodePool", 1, HTTPFault{Status: 429, RetryAfter: 7 * time.Second})
	c.FailNext("UpdateNodePool", 2, HTTPFault{Status: 500, Code: "InternalError", Message: "Out of host capacity."})
	_, err := c.resize(id, 2, nil)
	wantRefusal(t, err, 429, "TooManyRequests")
	for range 2 {
		_, err = c.resize(id, 2, nil)
		wantRefusal(t, err, 500, "InternalError")
	}
	if got := c.rest(id); got.Size != 1 {
		t.Errorf("refused resizes were applied: size %d", got.Size)
	}
	c.mustResize(id, 2)
	if n := c.Calls()["UpdateNodePool"]; n != 4 {
		t.Errorf("%d calls counted, want 4", n)
	}
}

func TestRetryAfterIsSent(t *testing.T) {
	c := newCloud(t, Options{})
	c.FailNext("*", 1, HTTPFault{Status: 429, RetryAfter: 7 * time.Second})
	r, err := http.Get(c.server.URL + "/20180222/nodePools?compartmentId=x")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer r.Body.Close()
	if r.StatusCode != 429 || r.Header.Get("Retry-After") != "7" {
		t.Errorf("%s, Retry-After %q", r.Status, r.Header.Get("Retry-After"))
	}
}

func TestADroppedAnswerIsAppliedAllTheSame(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)
	c.FailNext("UpdateNodePool", 1, HTTPFault{Drop: true})
	_, err := c.resize(id, 2, nil)
	if _, answered := common.IsServiceError(err); err == nil || answered {
		t.Fatalf("got %v, want a broken connection", err)
	}
	if got := c.rest(id); got.Size != 2 || len(live(got)) != 2 {
		t.Errorf("size %d, nodes %v", got.Size, live(got))
	}
}

func TestDelayEndsWithItsCaller(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)
	c.FailNext("GetNodePool", 1, HTTPFault{Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", c.server.URL+"/20180222/nodePools/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := c.Calls()["GetNodePool"]
	go func() {
		defer cancel()
		c.eventually("the call to arrive", func() bool { return c.Calls()["GetNodePool"] > before })
	}()
	if _, err = c.server.Client().Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	c.get(id) // the fault is spent
}

func TestUnknownOperation(t *testing.T) {
	c := newCloud(t, Options{})
	r, err := c.server.Client().Get(c.server.URL + "/20180222/podShapes")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != 404 || r.Header.Get("opc-request-id") == "" {
		t.Errorf("%s", r.Status)
	}
}
