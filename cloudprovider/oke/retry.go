package oke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

// policy is how often and how patiently one kind of call is tried.
type policy struct {
	tries int
	base  time.Duration // of the first wait; it doubles from there
	limit time.Duration // of any wait, the service's Retry-After included
	try   time.Duration // how long one try may take
	again func(error) bool
	// writes is whether a call changes something, so that what it was decided on has to
	// hold when it is sent. A read is what finds out, and is nobody's to refuse.
	writes bool
}

// Reads are tried again when nothing but luck stood against them. Writes only
// when they were certainly not applied and may be the next time, which is 429
// alone: what to do after anything else is decided by looking (write.go).
var (
	readPolicy  = policy{tries: 4, base: 200 * time.Millisecond, limit: 10 * time.Second, try: 20 * time.Second, again: readAgain}
	writePolicy = policy{tries: 3, base: 500 * time.Millisecond, limit: 10 * time.Second, try: 30 * time.Second, again: throttled, writes: true}
)

func throttled(err error) bool { return errors.Is(err, cloudprovider.ErrThrottled) }

func readAgain(err error) bool {
	var e *apiError
	if errors.As(err, &e) {
		return e.status == http.StatusTooManyRequests || (e.status >= 500 && e.status != http.StatusNotImplemented)
	}
	return true // no answer, or one that is no answer of the service
}

// response is what every answer of the SDK has.
type response interface{ HTTPResponse() *http.Response }

// call makes one call of the API by a policy. op is its name in Oracle's
// documentation. Errors are translated.
func call[R response](ctx context.Context, p *Provider, pol policy, op string, do func(context.Context) (R, error)) (R, error) {
	for n := 0; ; n++ {
		if err := cmp.Or(ctx.Err(), p.turnstileOf(op).pass(ctx, pol.limit)); err != nil {
			var none R
			return none, err
		}
		if pol.writes {
			if err := cloudprovider.Holds(ctx); err != nil { // all that waits has been waited for
				var none R
				return none, err
			}
		}
		r, err := try(ctx, pol.try, do)
		if err != nil {
			err = p.explain(op, translate(err, p.who.who), r.HTTPResponse())
		}
		p.metrics.count(op, err)
		if throttled(err) {
			p.turnstileOf(op).shut(max(p.backoff(pol, n), retryAfter(r.HTTPResponse())))
		}
		if err == nil || n+1 >= pol.tries || !pol.again(err) || ctx.Err() != nil {
			return r, err
		}
		wait, asked := p.backoff(pol, n), retryAfter(r.HTTPResponse())
		if asked > pol.limit {
			return r, fmt.Errorf("%w; the service asks to come back in %v", err, asked)
		}
		p.log.DebugContext(ctx, "call again", "op", op, "try", n+1, "wait", max(wait, asked), "err", err)
		if err := sleep(ctx, max(wait, asked)); err != nil {
			return r, err
		}
	}
}

// try makes one attempt. The SDK gets a context that is never done: it runs each
// call in a goroutine of its own and on cancellation reads a result that the
// goroutine may be writing. The true context rides along as a value and the
// transport honours it, so that the call ends as soon and through the front door.
func try[R response](ctx context.Context, limit time.Duration, do func(context.Context) (R, error)) (R, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(context.WithValue(context.WithoutCancel(ctx), trueContext{}, ctx))
}

type trueContext struct{}

// dispatcher sends requests under the context that try put aside.
type dispatcher struct {
	next interface {
		Do(*http.Request) (*http.Response, error)
	}
	guard Guard
}

// Guard decides on one request: it calls send, or answers with an error.
type Guard func(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error)

func (d dispatcher) Do(r *http.Request) (*http.Response, error) {
	asked := r.Context()
	if ctx, ok := asked.Value(trueContext{}).(context.Context); ok {
		r = r.WithContext(ctx)
	}
	if d.guard != nil && r.Method != http.MethodGet {
		return d.guard(r, d.next.Do)
	}
	answer, err := d.next.Do(r)
	if err == nil {
		glanceAt(asked, answer)
	}
	return answer, err
}

// backoff is the wait before the try after the n-th: half of it fixed, half by
// chance, so that the replicas of a throttled fleet do not come back together.
func (p *Provider) backoff(pol policy, n int) time.Duration {
	wait := min(pol.base<<n, pol.limit)
	return wait/2 + time.Duration(p.random()*float64(wait/2))
}

// retryAfterLimit bounds what a header may ask for.
const retryAfterLimit = 24 * time.Hour

// retryAfter is how long the service asks to stay away, 0 if it does not ask.
// The SDK does not look at this header.
func retryAfter(r *http.Response) time.Duration {
	if r == nil {
		return 0
	}
	text := r.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		// Bounded before it is multiplied: what overflows would ask to come at once.
		return time.Duration(min(max(0, seconds), int(retryAfterLimit/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, time.Until(at)), retryAfterLimit)
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
