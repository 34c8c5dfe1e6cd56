package oke

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

type answer struct{ retryAfter string }

func (a answer) HTTPResponse() *http.Response {
	return &http.Response{Header: http.Header{"Retry-After": {a.retryAfter}}}
}

// script answers one call after the other.
type script struct {
	t     *testing.T
	steps []step
	calls int
}

type step struct {
	err        error
	retryAfter string
}

func (s *script) do(context.Context) (answer, error) {
	if s.calls >= len(s.steps) {
		s.t.Fatal("called more often than the script is long")
	}
	step := s.steps[s.calls]
	s.calls++
	return answer{step.retryAfter}, step.err
}

func TestPolicies(t *testing.T) {
	busy, slow, down := refusal{409, "IncorrectState", "", ""}, refusal{429, "TooManyRequests", "", ""}, refusal{503, "ServiceUnavailable", "", ""}
	broken, gone := errors.New("EOF"), refusal{404, "NotAuthorizedOrNotFound", "", ""}
	for _, c := range []struct {
		name  string
		pol   policy
		steps []step
		calls int
		want  error // of the last answer; nil is success
		least time.Duration
	}{
		{"read is patient with luck", readPolicy, []step{{down, ""}, {broken, ""}, {slow, ""}, {nil, ""}}, 4, nil, 700 * time.Millisecond},
		{"read ends", readPolicy, []step{{down, ""}, {down, ""}, {down, ""}, {down, ""}}, 4, errAny, 0},
		{"read does not repeat a no", readPolicy, []step{{gone, ""}}, 1, cloudprovider.ErrNotFound, 0},
		{"Retry-After is honoured", readPolicy, []step{{slow, "7"}, {nil, ""}}, 2, nil, 7 * time.Second},
		{"Retry-After beyond patience is not waited for", readPolicy, []step{{slow, "3600"}}, 1, cloudprovider.ErrThrottled, 0},
		{"write repeats 429", writePolicy, []step{{slow, ""}, {nil, ""}}, 2, nil, 250 * time.Millisecond},
		{"write gives up on 429", writePolicy, []step{{slow, ""}, {slow, ""}, {slow, ""}}, 3, cloudprovider.ErrThrottled, 0},
		{"write never repeats 409", writePolicy, []step{{busy, ""}}, 1, cloudprovider.ErrConflict, 0},
		{"write never repeats 503", writePolicy, []step{{down, ""}}, 1, errAny, 0},
		{"write never repeats a broken line", writePolicy, []step{{broken, ""}}, 1, broken, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &Provider{log: slog.New(slog.DiscardHandler), metrics: newMetrics(), random: func() float64 { return 0 }}
				s, start := &script{t: t, steps: c.steps}, time.Now()
				_, err := call(t.Context(), p, c.pol, "Op", s.do)
				switch {
				case c.want == nil && err != nil, c.want != nil && err == nil, c.want != nil && c.want != errAny && !errors.Is(err, c.want):
					t.Errorf("error is %v, want %v", err, c.want)
				}
				if s.calls != c.calls {
					t.Errorf("%d calls, want %d", s.calls, c.calls)
				}
				if took := time.Since(start); took < c.least || took > c.least+10*time.Second {
					t.Errorf("took %v, want %v", took, c.least)
				}
			})
		})
	}
}

var errAny = errors.New("any")

// The wait ends with the caller's context and not with the backoff.
func TestBackoffEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Provider{log: slog.New(slog.DiscardHandler), metrics: newMetrics(), random: func() float64 { return 1 }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s, start := &script{t: t, steps: []step{{refusal{429, "TooManyRequests", "", ""}, "9"}}}, time.Now()
		_, err := call(ctx, p, readPolicy, "Op", s.do)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Fatalf("error %v after %v", err, time.Since(start))
		}
	})
}

// What a change was decided on is asked again before it is sent once more, and is not
// sent if it does not hold any more.
func TestAChangeIsSentAgainWhileItHolds(t *testing.T) {
	for name, c := range map[string]struct {
		reads bool
		after string // the service asks to come back so many seconds later
		holds bool   // still, when it is asked again
		asked int
		calls int
	}{
		"a read":               {reads: true, after: "9", asked: 1, calls: 2},
		"it holds":             {after: "9", holds: true, asked: 2, calls: 2},
		"it does not":          {after: "9", asked: 2, calls: 1},
		"a moment later":       {after: "1", asked: 1, calls: 2},
		"nobody asks to wait ": {holds: true, asked: 1, calls: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &Provider{log: slog.New(slog.DiscardHandler), metrics: newMetrics(), random: func() float64 { return 0 }}
				s := &script{t: t, steps: []step{{refusal{429, "TooManyRequests", "", ""}, c.after}, {}}}
				changed, asked := errors.New("it has become a node"), 0
				ctx, err := cloudprovider.Still(t.Context(), func(context.Context) error {
					if asked++; asked > 1 && !c.holds {
						return changed
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				pol := writePolicy
				if c.reads {
					pol = readPolicy
				}
				_, err = call(ctx, p, pol, "DeleteNode", s.do)
				if stopped := errors.Is(err, cloudprovider.ErrOverruled) && errors.Is(err, changed); asked != c.asked || s.calls != c.calls || stopped != (c.calls == 1) {
					t.Errorf("asked %d times, want %d; %d calls, want %d; error %v", asked, c.asked, s.calls, c.calls, err)
				}
			})
		})
	}
}

func TestRetryAfterForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for text, want := range map[string]time.Duration{
			"": 0, "5": 5 * time.Second, "-3": 0, "soon": 0, time.Now().Add(time.Minute).UTC().Format(http.TimeFormat): time.Minute,
		} {
			if got := retryAfter(answer{text}.HTTPResponse()); got != want {
				t.Errorf("%q is %v, want %v", text, got, want)
			}
		}
	})
}
