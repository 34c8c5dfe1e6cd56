package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// At a pipe a report follows the other when it differs, a look that fails is one
// line, and the end is a good one.
func TestWatchAtAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		g := &globals{output: "text", stdout: &out}
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		looks := 0
		look := func(context.Context) (statusReport, []happening, error) {
			looks++
			switch looks {
			case 1, 2:
				return statusReport{Pools: []poolRow{{Name: "workers", Size: 3, Ready: 2}}}, nil, nil
			case 3:
				return statusReport{}, nil, errors.New("list pools: it is away")
			}
			return statusReport{Pools: []poolRow{{Name: "workers", Size: 3, Ready: 3}}}, nil, nil
		}
		if err := g.watchStatus(ctx, look, 2*time.Second); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "---"); looks != 5 || n != 3 {
			t.Errorf("%d looks, %d reports, want 5 and 3:\n%s", looks, n, out.String())
		}
		if !strings.Contains(out.String(), "error: list pools: it is away") {
			t.Errorf("the failure is not told:\n%s", out.String())
		}
	})
}

// TestWatchOfNoPool: it ends where the next look would say the same.
func TestWatchOfNoPool(t *testing.T) {
	g := &globals{output: "text", stdout: &strings.Builder{}}
	none := func(context.Context) (statusReport, []happening, error) {
		return statusReport{}, nil, &failure{code: exitNo, err: errors.New("there is no pool \"nosuch\"")}
	}
	if err := g.watchStatus(t.Context(), none, time.Hour); err == nil {
		t.Error("it went on")
	}
}

// TestPaint: no colours into files and pipes, whatever the environment says.
func TestPaint(t *testing.T) {
	if paintFor(&strings.Builder{}) {
		t.Error("a file is coloured")
	}
	if got := paint(false).in(red, "x"); got != "x" {
		t.Errorf("%q", got)
	}
	if got := paint(true).in(red, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("%q", got)
	}
}
