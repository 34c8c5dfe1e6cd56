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
		report := func(context.Context) (statusReport, error) {
			looks++
			switch looks {
			case 1, 2:
				return statusReport{Pools: []poolRow{{Name: "workers", Size: 3, Ready: 2}}}, nil
			case 3:
				return statusReport{}, errors.New("list pools: it is away")
			}
			return statusReport{Pools: []poolRow{{Name: "workers", Size: 3, Ready: 3}}}, nil
		}
		if err := g.watchStatus(ctx, report, 2*time.Second); err != nil {
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
	none := func(context.Context) (statusReport, error) {
		return statusReport{}, &failure{code: exitNo, err: errors.New("there is no pool \"nosuch\"")}
	}
	if err := g.watchStatus(t.Context(), none, time.Hour); err == nil {
		t.Error("it went on")
	}
}

// TestScreen: the page fits the terminal, nobody's text is coloured without leave,
// and what stood there before comes back.
func TestScreen(t *testing.T) {
	var out strings.Builder
	s := &screen{w: &out, size: func() (int, int) { return 20, 5 }}
	text := "POOL   SIZE\n" + strings.Repeat("workers with a long name indeed\n", 10)
	if err := s.show(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), text); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\r\n")
	if len(lines) != 5 || !strings.Contains(lines[4], "and 9 lines more") {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	if !strings.Contains(lines[3], "workers with a long…") {
		t.Errorf("%q is not cut at the edge", lines[3])
	}
	if strings.Contains(out.String(), "m") && strings.Contains(out.String(), "\x1b[1m") {
		t.Error("it is coloured without leave")
	}
	out.Reset()
	s.paint = true
	if err := s.show(time.Now(), text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\x1b[1mPOOL") {
		t.Errorf("the head does not stand out: %q", out.String())
	}
	out.Reset()
	s.close()
	if !strings.HasSuffix(out.String(), "\x1b[?1049l"+text) {
		t.Error("the last report does not stay")
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
