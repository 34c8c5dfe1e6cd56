package kube_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
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
		passes("PATCH", "/api/v1/namespaces/default/events/web.17")
		for _, path := range []string{ // of pods and namespaces whose names begin as events do
			"/api/v1/namespaces/shop/pods/events-processor-0/eviction", "/api/v1/namespaces/events/pods/web-0/eviction",
			"/api/v1/namespaces/eventstore/pods/web-0",
		} {
			if err := send(t, f, "POST", path, "{}"); !errors.Is(err, kube.ErrDeposed) {
				t.Errorf("POST %s: %v", path, err)
			}
		}

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

// versioned is a server that answers with the Lease as it stands now: made by the last
// write, or by somebody else since.
type versioned struct {
	version int
	torn    bool
	seen    []string
}

func (w *versioned) RoundTrip(r *http.Request) (*http.Response, error) {
	w.version++
	w.seen = append(w.seen, r.Method)
	text := fmt.Sprintf(`{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"tidemill","resourceVersion":"%d"}}`, w.version)
	if w.torn {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader(text[:20]), iotest.ErrReader(io.ErrUnexpectedEOF)))}, nil
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// TestFenceGivesBackItsOwn: what is given back is the Lease that this process made, and
// not one that another made where somebody had deleted it.
func TestFenceGivesBackItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		others int
		torn   bool
		given  bool
	}{
		"nobody has written it since":                  {given: true},
		"another has made it again":                    {others: 1},
		"nobody knows which one the last renewal made": {torn: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := &versioned{torn: c.torn}
			f := kube.NewFence(kube.FenceOptions{Namespace: "tidemill-system", Lease: "tidemill", Valid: 10 * time.Second}).Wrap(w)
			if err := send(t, f, "POST", leases, lease("me")); err != nil {
				t.Fatal(err)
			}
			if err := send(t, f, "PUT", leases+"/tidemill", lease("me")); err != nil {
				t.Fatal(err)
			}
			w.version += c.others
			now := strings.Replace(lease(""), `"name":"tidemill"`, fmt.Sprintf(`"name":"tidemill","resourceVersion":"%d"`, w.version), 1)
			err := send(t, f, "PUT", leases+"/tidemill", now)
			if given := len(w.seen) == 3; given != c.given || c.given != (err == nil) || !c.given && !errors.Is(err, kube.ErrDeposed) {
				t.Errorf("given back %t, want %t; error %v", given, c.given, err)
			}
		})
	}
}

// TestFenceReadsAndPassesOn: who renews gets the answer as the server gave it.
func TestFenceReadsAndPassesOn(t *testing.T) {
	for _, torn := range []bool{false, true} {
		f := kube.NewFence(kube.FenceOptions{Namespace: "tidemill-system", Lease: "tidemill", Valid: 10 * time.Second}).Wrap(&versioned{torn: torn})
		r, err := http.NewRequestWithContext(t.Context(), "PUT", "http://api"+leases+"/tidemill", strings.NewReader(lease("me")))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := f.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if torn != errors.Is(err, io.ErrUnexpectedEOF) || torn != (len(text) == 20) || !strings.HasPrefix(string(text), `{"kind":"Lease"`) {
			t.Errorf("torn %t: read %q, %v", torn, text, err)
		}
	}
}

// Behind an address that many clusters share the API has a path before its own.
func TestFenceBehindAPath(t *testing.T) {
	w := &wire{}
	f := kube.NewFence(kube.FenceOptions{Namespace: "tidemill-system", Lease: "tidemill", Valid: 10 * time.Second}).Wrap(w)
	const base = "/k8s/clusters/c-1"
	if err := send(t, f, "PATCH", base+"/api/v1/nodes/n", "{}"); !errors.Is(err, kube.ErrDeposed) {
		t.Errorf("before the lease is held: %v", err)
	}
	for _, path := range []string{"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", leases} {
		if err := send(t, f, "POST", base+path, lease("me")); err != nil {
			t.Errorf("POST %s: %v", path, err)
		}
	}
	if err := send(t, f, "PATCH", base+"/api/v1/nodes/n", "{}"); err != nil {
		t.Errorf("with the lease: %v", err)
	}
}
