package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/e2e"
)

// Elsewhere than at a terminal a story is lines, without colour and without a
// word that is taken back.
func TestTellerWithoutATerminal(t *testing.T) {
	var out strings.Builder
	tell := newTeller(&out)
	step := e2e.Step{ID: "a", Title: "pods come"}
	tell.begin(step)
	tell.say(step, "1 of 2 pods run")
	tell.end(e2e.Outcome{Step: step, Took: 1500 * time.Millisecond, Checked: []string{"2 pods run", "one node came"}})
	tell.begin(e2e.Step{ID: "b", Title: "pods go"})
	tell.end(e2e.Outcome{Step: e2e.Step{ID: "b", Title: "pods go"}, Took: time.Second, Err: errors.New("wait for pods: they stay")})
	tell.figures([]e2e.Line{{Name: "pending to running", Value: "3.10", Unit: "s"}}, 90*time.Second)
	tell.close()
	want := []string{
		"… (a) pods come",
		"✓ (a) pods come 1.5 s",
		"    2 pods run; one node came",
		"… (b) pods go",
		"✗ (b) pods go 1.0 s",
		"    wait for pods: they stay",
		"",
		"Figures",
		"  pending to running                 3.10 s",
		"  the whole demo                    90.00 s",
		"",
	}
	if got := strings.Split(out.String(), "\n"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), strings.Join(want, "\n"))
	}
}

func TestLinesFitTheTerminal(t *testing.T) {
	text := "one two three four\nfünf sechs"
	if got, want := wrap(text, 9), []string{"one two", "three", "four", "fünf", "sechs"}; !slices.Equal(got, want) {
		t.Errorf("wrap: got %q, want %q", got, want)
	}
	if got := wrap("", 9); !slices.Equal(got, []string{""}) {
		t.Errorf("wrap of nothing: %q", got)
	}
	if got := cut("fünf sechs", 6); got != "fünf …" {
		t.Errorf("cut: %q", got)
	}
	if got := cut("fünf", 6); got != "fünf" {
		t.Errorf("cut: %q", got)
	}
}
