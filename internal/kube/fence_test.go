package kube_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/internal/kube"
)

// wire answers everything with 200 and remembers what came.
type wire struct{ seen []string }

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.seen = append(w.seen, r.Method+" "+r.URL.RequestURI())
	if d, ok := r.Context().Deadline(); ok && r.Header.Get("Slow") != "" {
		time.Sleep(time.Until(d))
		return nil, context.DeadlineExceeded
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

const leases = "/apis/coordination.k8s.io/v1/namespaces/tidemill-system/leases"

func send(t *testing.T, f http.RoundTripper, method, path, body string, header ...string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://api"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if len(header) > 0 {
		r.Header.Set(header[0], "yes")
	}
	answer, err := f.RoundTrip(r)
	if err == nil {
		answer.Body.Close()
	}
	return err
}

func lease(holder string) string {
	return `{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"tidemill"},"spec":{"holderIdentity":"` + holder + `"}}`
}

func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		fence := kube.NewFence(kube.FenceOptions{Namespace: "tidemill-system", Lease: "tidemill", Valid: 10 * time.Second})
		f := fence.Wrap(w)
		refused := func(when string) {
			t.Helper()
			before := len(w.seen)
			if err := send(t, f, "PATCH", "/api/v1/nodes/n", "{}"); !errors.Is(err, kube.ErrDeposed) || len(w.seen) != before {
				t.Errorf("%s: a write got %v, sent %v", when, err, w.seen[before:])
			}
			if err := fence.Check(); !errors.Is(err, kube.ErrDeposed) {
				t.Errorf("%s: check is %v", when, err)
			}
		}
		passes := func(method, path string) {
			t.Helper()
			if err := send(t, f, method, path, "{}"); err != nil {
				t.Errorf("%s %s: %v", method, path, err)
			}
		}
		refused("before the lease is held")
		passes("GET", "/api/v1/nodes")
		passes("POST", "/apis/events.k8s.io/v1/namespaces/default/events")
		passes("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews")

		if err := send(t, f, "PUT", leases+"/tidemill", lease("me")); err != nil {
			t.Fatal(err)
		}
		passes("PATCH", "/api/v1/nodes/n?fieldManager=x")
		if last := w.seen[len(w.seen)-1]; last != "PATCH /api/v1/nodes/n?fieldManager=x&timeout=10s" {
			t.Errorf("the server was not told when to give up: %s", last)
		}
		time.Sleep(9 * time.Second)
		began := time.Now()
		if err := send(t, f, "PATCH", "/api/v1/nodes/n", "{}", "Slow"); err == nil || time.Since(began) != time.Second {
			t.Errorf("a slow write got %v after %v; it may take the second that is left", err, time.Since(began))
		}
		refused("ten seconds after the renewal")

		if err := send(t, f, "PUT", leases+"/tidemill", lease("me")); err != nil {
			t.Fatal(err)
		}
		passes("PATCH", "/api/v1/nodes/n")
		if err := send(t, f, "PUT", leases+"/tidemill", lease("")); err != nil {
			t.Fatal(err)
		}
		refused("after the lease was given back")
		if err := send(t, f, "PUT", leases+"/tidemill", lease("")); err != nil {
			t.Errorf("the lease is given back once more, since the first answer was lost: %v", err)
		}

		if err := send(t, f, "PUT", leases+"/tidemill", lease("me")); err != nil {
			t.Fatal(err)
		}
		passes("PATCH", "/api/v1/nodes/n")
		time.Sleep(10 * time.Second)
		before := len(w.seen)
		if err := send(t, f, "PUT", leases+"/tidemill", lease("")); !errors.Is(err, kube.ErrDeposed) || len(w.seen) != before {
			t.Errorf("a lease that may be another's by now was given back: %v, sent %v", err, w.seen[before:])
		}
		if err := send(t, f, "PUT", leases+"/tidemill", "nonsense"); err == nil {
			t.Error("a lease that cannot be read was sent")
		}
	})
}

// TestFenceAsksBeside: a Lease that is held is not enough where something else keeps
// from writing; reading, events and the election itself go on.
func TestFenceAsksBeside(t *testing.T) {
	w, not := &wire{}, errors.New("not alone")
	fence := kube.NewFence(kube.FenceOptions{Namespace: "tidemill-system", Lease: "tidemill", Valid: 10 * time.Second, Also: func() error { return not }})
	f := fence.Wrap(w)
	if err := send(t, f, "POST", "/apis/coordination.k8s.io/v1/namespaces/tidemill-system/leases", lease("me")); err != nil {
		t.Fatal(err)
	}
	if err := send(t, f, "PATCH", "/api/v1/nodes/n", "{}"); !errors.Is(err, kube.ErrDeposed) || !errors.Is(err, not) {
		t.Errorf("a write got %v", err)
	}
	if err := send(t, f, "GET", "/api/v1/nodes", ""); err != nil {
		t.Errorf("a read got %v", err)
	}
	not = nil
	if err := send(t, f, "PATCH", "/api/v1/nodes/n", "{}"); err != nil || fence.Check() != nil {
		t.Errorf("a write got %v, check %v", err, fence.Check())
	}
}

// slowWire takes a while over each write that is no Lease, and notes what has landed.
type slowWire struct {
	takes  time.Duration
	landed []string
}

func (w *slowWire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPatch {
		select {
		case <-time.After(w.takes):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	w.landed = append(w.landed, r.Method)
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

// TestFenceGivesBackLast: the Lease is given back when no write is under way any more,
// and not at all if one takes longer than the Lease is held.
func TestFenceGivesBackLast(t *testing.T) {
	for takes, want := range map[time.Duration]string{2 * time.Second: "PUT PATCH PUT", time.Minute: "PUT"} {
		synctest.Test(t, func(t *testing.T) {
			w := &slowWire{takes: takes}
			f := kube.NewFence(kube.FenceOptions{Namespace: "tidemill-system", Lease: "tidemill", Valid: 10 * time.Second}).Wrap(w)
			if err := send(t, f, "PUT", leases+"/tidemill", lease("me")); err != nil {
				t.Fatal(err)
			}
			go func() { _ = send(t, f, "PATCH", "/api/v1/nodes/n", "{}") }()
			synctest.Wait()
			err := send(t, f, "PUT", leases+"/tidemill", lease(""))
			if late := takes > 10*time.Second; late != errors.Is(err, kube.ErrDeposed) {
				t.Errorf("a write of %v was under way: the lease was given back with %v", takes, err)
			}
			synctest.Wait()
			if got := strings.Join(w.landed, " "); got != want {
				t.Errorf("a write of %v was under way: %s landed, want %s", takes, got, want)
			}
		})
	}
}
