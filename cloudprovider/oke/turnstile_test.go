package oke

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

// One call's 429 keeps the others away, those of another service not.
func TestThrottledTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Provider{log: slog.New(slog.DiscardHandler), metrics: newMetrics(), random: func() float64 { return 0 }}
		start := time.Now()
		s := &script{t: t, steps: []step{{refusal{429, "TooManyRequests", "", ""}, "8"}, {nil, ""}}}
		go func() { _, _ = call(t.Context(), p, readPolicy, "GetNodePool", s.do) }()
		synctest.Wait()
		other := &script{t: t, steps: []step{{nil, ""}, {nil, ""}}}
		if _, err := call(t.Context(), p, readPolicy, "GetInstance", other.do); err != nil || time.Since(start) != 0 {
			t.Errorf("Compute waited %v, %v", time.Since(start), err)
		}
		if _, err := call(t.Context(), p, writePolicy, "UpdateNodePool", other.do); err != nil || time.Since(start) != 8*time.Second {
			t.Errorf("Container Engine waited %v, %v", time.Since(start), err)
		}
	})
}

// A service that wants more patience than a call has is left alone without a
// request, and asked again when the time is over.
func TestLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Provider{log: slog.New(slog.DiscardHandler), metrics: newMetrics(), random: func() float64 { return 0 }}
		s := &script{t: t, steps: []step{{refusal{429, "TooManyRequests", "", ""}, "3600"}, {nil, ""}}}
		for range 3 {
			if _, err := call(t.Context(), p, readPolicy, "GetNodePool", s.do); !errors.Is(err, cloudprovider.ErrThrottled) {
				t.Fatalf("error %v", err)
			}
		}
		if s.calls != 1 {
			t.Errorf("%d requests while it wants none", s.calls)
		}
		time.Sleep(turnstileLimit)
		if _, err := call(t.Context(), p, readPolicy, "GetNodePool", s.do); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		var shut turnstile
		shut.shut(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := shut.pass(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("gave up: %v", err)
		}
	})
}
