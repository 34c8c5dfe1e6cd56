package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrDeposed is why a write was not sent: this process does not hold the Lease,
// or has not renewed it for so long that another may hold it now.
var ErrDeposed = errors.New("this process does not lead any more")

// Fence keeps a leader that was deposed without noticing from writing.
//
// client-go's leader election says of itself that it fences nothing: it takes
// leadership away by cancelling a context, and a process that was stopped for a
// minute, or whose goroutines starve, writes on until it comes to see that. The
// fence sits in the one transport, below everything that writes, and asks one
// question before each write: when did the last renewal of the Lease that was
// answered begin? It watches the renewals as they pass; it needs no clock but the
// monotonic one, and nobody has to tell it anything.
//
//	renewal begins      Valid: the last write      LeaseDuration: another may lead
//	├───────────────────────────┤ . . . . . . . . . ┤
//	        writes pass              none is sent, none is waited for
//
// A write that is under way when its time ends is given up, and the API server
// is told to do the same (its parameter timeout). The rest is done by
// preconditions: Nodes are patched with the resourceVersion that was decided on,
// pods are evicted by UID, node pools are changed by etag.
type Fence struct {
	o FenceOptions

	mu       sync.Mutex // guards what follows
	renewed  time.Time
	version  string                          // the Lease's resourceVersion since, "" if not known
	returned bool                            // the Lease was given back since
	sent     map[*http.Request]chan struct{} // writes under way, each closed with its end
}

// FenceOptions name the Lease.
type FenceOptions struct {
	Namespace, Lease string
	// Valid is for how long after a renewal writes may be sent: the renew deadline
	// of the election, which must be shorter than the Lease's duration.
	Valid time.Duration
	// Also, if set, is asked before each write beside: an error keeps it from being
	// sent, as if the Lease were not held.
	Also func() error
}

// NewFence makes a fence that is shut until the Lease is acquired.
func NewFence(o FenceOptions) *Fence { return &Fence{o: o} }

// Check is nil while writes may be sent, ErrDeposed otherwise.
func (f *Fence) Check() error {
	_, err := f.until()
	return err
}

// until is when the right to write ends.
func (f *Fence) until() (time.Time, error) {
	end, err := f.held()
	if err == nil && f.o.Also != nil {
		if not := f.o.Also(); not != nil {
			return end, fmt.Errorf("%w: %w", ErrDeposed, not)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && f.returned {
		err = fmt.Errorf("%w: the lease %s/%s was given back", ErrDeposed, f.o.Namespace, f.o.Lease)
	}
	return end, err
}

// held is until when the Lease is certainly still this process' own.
func (f *Fence) held() (time.Time, error) {
	f.mu.Lock()
	renewed := f.renewed
	f.mu.Unlock()
	end := renewed.Add(f.o.Valid)
	switch {
	case renewed.IsZero():
		return end, fmt.Errorf("%w: the lease %s/%s is not held", ErrDeposed, f.o.Namespace, f.o.Lease)
	case !time.Now().Before(end):
		return end, fmt.Errorf("%w: the lease %s/%s was last renewed %v ago, writes end after %v", ErrDeposed, f.o.Namespace, f.o.Lease, time.Since(renewed).Round(time.Millisecond), f.o.Valid)
	}
	return end, nil
}

// Wrap puts the fence before a transport.
func (f *Fence) Wrap(next http.RoundTripper) http.RoundTripper { return fenced{f, next} }

type fenced struct {
	*Fence
	next http.RoundTripper
}

// WrappedRoundTripper lets client-go find the transport, to close what is idle: it
// logs a warning with each request that times out where it cannot.
func (f fenced) WrappedRoundTripper() http.RoundTripper { return f.next }

// RoundTrip implements http.RoundTripper.
func (f fenced) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case f.election(r):
		return f.renewal(r)
	case r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions || harmless(apiPath(r)):
		return f.next.RoundTrip(r)
	}
	return f.Send(r, func(r *http.Request) (*http.Response, error) {
		q := r.URL.Query()
		if end, ok := r.Context().Deadline(); ok && q.Get("timeout") == "" {
			q.Set("timeout", time.Until(end).Round(time.Millisecond).String())
			r.URL.RawQuery = q.Encode()
		}
		return f.next.RoundTrip(r)
	})
}

// Send sends one write of whatever API under the fence: only while the Lease is held;
// it is given up when the right to write ends, and waited for before the Lease is
// given back. A client of another API than the cluster's, the cloud's for one, sends
// its writes through here.
func (f *Fence) Send(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	end, err := f.until()
	if err != nil {
		return nil, err
	}
	over, err := f.begin(r)
	if err != nil {
		return nil, err
	}
	defer over()
	ctx, cancel := context.WithDeadline(r.Context(), end)
	answer, err := send(r.Clone(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	answer.Body = cancelling{answer.Body, cancel}
	return answer, nil
}

// cancelling ends a context with the body that it belongs to.
type cancelling struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c cancelling) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}

// harmless are writes that change nothing which anybody decides on: events, and
// reviews of access and tokens. A process that does not lead makes them too.
func harmless(path string) bool {
	return strings.HasPrefix(path, "/apis/authentication.k8s.io/") || strings.HasPrefix(path, "/apis/authorization.k8s.io/") ||
		strings.HasPrefix(path, "/apis/events.k8s.io/") || coreEvents(path)
}

// coreEvents is whether the path is of events: of pods or a namespace whose names begin
// so it is not.
func coreEvents(path string) bool {
	in, ok := strings.CutPrefix(path, "/api/v1/namespaces/")
	if !ok {
		return path == "/api/v1/events"
	}
	_, resource, _ := strings.Cut(in, "/")
	resource, _, _ = strings.Cut(resource, "/")
	return resource == "events"
}

// election is whether the request acquires, renews or gives back the Lease.
func (f fenced) election(r *http.Request) bool {
	dir := "/apis/coordination.k8s.io/v1/namespaces/" + f.o.Namespace + "/leases"
	path := apiPath(r)
	return r.Method == http.MethodPost && path == dir || r.Method == http.MethodPut && path == dir+"/"+f.o.Lease
}

// apiPath is the request's path as the API server knows it: where many clusters stand
// behind one address each has a path of its own before that.
func apiPath(r *http.Request) string {
	path, first := r.URL.Path, len(r.URL.Path)
	for _, root := range []string{"/api/v1/", "/apis/"} {
		if i := strings.Index(path, root); i >= 0 {
			first = min(first, i)
		}
	}
	return path[first:]
}

// renewal lets it pass and learns from it. The time that counts is when the
// request began: what the server has stored is not older than that.
//
// A Lease is given back by whoever holds it and by nobody else. client-go, when
// its loop ends, reads the Lease anew for the resourceVersion and asks its own
// memory who leads: a leader that was stopped for a minute would take the Lease
// of its successor away, and a third could lead beside the second. So would one
// whose Lease somebody has deleted and another has made again, within the time that
// it may write: only the version that its own last renewal made is given back.
func (f fenced) renewal(r *http.Request) (*http.Response, error) {
	lease, err := leaseIn(r)
	if err != nil {
		return nil, err
	}
	held := lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != ""
	if !held {
		if _, err := f.held(); err != nil {
			return nil, fmt.Errorf("give the lease back: %w; it ends by itself", err)
		}
		if version := f.made(); lease.ResourceVersion != version {
			return nil, fmt.Errorf("give the lease back: %w: somebody has written it since this process did (version %q became %q); it ends by itself", ErrDeposed, version, lease.ResourceVersion)
		}
		if err := f.giveBack(r.Context()); err != nil { // before the others can know
			return nil, err
		}
	}
	began := time.Now()
	answer, err := f.next.RoundTrip(r)
	if err == nil && answer.StatusCode < 300 && held && lease.Name == f.o.Lease {
		f.set(began, versionIn(answer))
	}
	return answer, err
}

func (f *Fence) set(renewed time.Time, version string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed, f.version, f.returned = renewed, version, false
}

// made is the version of the Lease that this process made last.
func (f *Fence) made() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version
}

// begin counts a write that is about to be sent, unless the Lease was given back in
// this very moment.
func (f *Fence) begin(r *http.Request) (over func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.returned {
		return nil, fmt.Errorf("%w: the lease %s/%s was given back", ErrDeposed, f.o.Namespace, f.o.Lease)
	}
	if f.sent == nil {
		f.sent = map[*http.Request]chan struct{}{}
	}
	done := make(chan struct{})
	f.sent[r] = done
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.sent, r)
		close(done)
	}, nil
}

// giveBack lets no write begin any more, and waits for those that are under way: what
// lands after the Lease was given back would land beside the next leader's. No write
// takes longer than the right to write lasts.
func (f *Fence) giveBack(ctx context.Context) error {
	f.mu.Lock()
	f.returned = true
	under := slices.Collect(maps.Values(f.sent))
	f.mu.Unlock()
	for _, done := range under {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("give the lease back: a write is under way: %w; it ends by itself", ctx.Err())
		}
	}
	if _, err := f.held(); err != nil {
		return fmt.Errorf("give the lease back: %w; it ends by itself", err)
	}
	return nil
}
