package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told is what is written when a wait is shown like this.
func told(terminal bool, width int, show func(*progress)) string {
	var b bytes.Buffer
	p := &progress{w: &b, terminal: terminal, width: func() int { return width }}
	show(p)
	p.done()
	return b.String()
}

// In a log the time that is left is no news: a line comes when something happens.
func TestProgressInALog(t *testing.T) {
	got := told(false, 0, func(p *progress) {
		p.tell("1 of 3", ", about 9s left", []string{"n1: DrainBlocked: x"})
		p.tell("1 of 3", ", about 8s left", []string{"n1: DrainBlocked: x"})
		p.tell("1 of 3", ", about 7s left", nil)
		p.tell("2 of 3", ", about 6s left", nil)
	})
	want := "1 of 3, about 9s left; n1: DrainBlocked: x\n1 of 3, about 7s left\n2 of 3, about 6s left\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// At a terminal what each node waits for stands below, and nothing is wider than the
// screen: a line that wraps is not found again when it is painted over.
func TestProgressAtATerminal(t *testing.T) {
	got := told(true, 12, func(p *progress) {
		p.tell("1 of 3", "", []string{"n1: a budget that allows nothing", "n2: x\x1b[2Jy"})
		p.tell("2 of 3", ", soon", nil)
		p.tell("3 of 3", "", nil)
	})
	want := "\r\x1b[K1 of 3\n  n1: a bud…\n  n2: x\\u00…" + "\x1b[2A\r\x1b[J2 of 3, soon" + "\r\x1b[K3 of 3\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("terminal (-want +got):\n%s", diff)
	}
	for _, l := range strings.Split(got, "\n") {
		if strings.Contains(l, "\x1b[2J") {
			t.Errorf("what a pod is called clears the screen: %q", l)
		}
	}
}
