package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// demoPage is a turn-over in a cluster of three pools, and what was done before.
func demoPage(t *testing.T) page {
	t.Helper()
	r, err := statusOf(demoSeen(), nil)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	for i := range r.Pools {
		if c := r.Pools[i].Cycle; c != nil {
			c.Replaced, c.Stale = 1, 2
		}
	}
	return page{at: at, seen: at, report: r, lately: []happening{
		{At: at.Add(-2 * time.Second), What: "node", Name: "10.0.0.75", Count: 3, Reason: "NodeCordoned", Note: "cordon node 10.0.0.75 for cycle (Outdated): kubernetes v1.34.1 → v1.35.0"},
		{At: at.Add(-time.Minute), What: "pool", Name: "arm", Count: 1, Reason: "FailedToScaleUpGroup", Note: "take back 2 of pool arm, 3 to 1: OutOfHostCapacity", Warning: true},
		{At: at.Add(-time.Hour), What: "pool", Name: "workers", Count: 1, Reason: "CycleStarted", Note: "start a run of pool workers for tidemill.dev/upgrade-to=v1.35.0, at a size of 3"},
	}}
}

func plainLines(lines []styled) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(l.text, " ") + "\n")
	}
	return b.String()
}

// TestPageFits shows what is seen on the screens that people have: the golden file
// is to be looked at.
func TestPageFits(t *testing.T) {
	p := demoPage(t)
	late := p
	late.trouble, late.at = "list pools: dial tcp 10.0.0.2:6443: connect: connection refused", p.at.Add(20*time.Second)
	never := page{at: p.at, trouble: late.trouble}
	var b strings.Builder
	for _, screen := range []struct {
		what          string
		page          page
		width, height int
	}{
		{"a terminal as it is opened", p, 80, 24}, {"a wide one", p, 120, 40}, {"a pane", p, 48, 14},
		{"the API server is away", late, 80, 24}, {"it was never there", never, 80, 24},
	} {
		text := plainLines(screen.page.lines(screen.width, screen.height))
		fmt.Fprintf(&b, "%s, %dx%d\n%s\n", screen.what, screen.width, screen.height, strings.ReplaceAll(text, p.at.Format(" MST"), ""))
	}
	golden(t, "testdata/page.golden", b.String())
}

// TestPageNeverOverflows: whatever is seen and however small the window, no line
// wraps and the page does not scroll; who waits is not pushed out by who is idle.
func TestPageNeverOverflows(t *testing.T) {
	word := rapid.StringOfN(rapid.RuneFrom([]rune("ab-.0→é:\x1b\n ")), 0, 60, -1)
	rapid.Check(t, func(t *rapid.T) {
		p := page{at: time.Unix(0, 0), seen: time.Unix(rapid.Int64Range(0, 1).Draw(t, "seen"), 0), trouble: word.Draw(t, "trouble")}
		if rapid.Bool().Draw(t, "never") {
			p.seen = time.Time{}
		}
		for i := range rapid.IntRange(0, 40).Draw(t, "pools") {
			r := poolRow{Name: fmt.Sprint(i, word.Draw(t, "name")), Activity: "idle"}
			if rapid.Bool().Draw(t, "cycling") {
				r.Activity, r.Cycle = word.Draw(t, "activity"), &v1alpha1.CycleStatus{Replaced: rapid.Int32Range(-1, 9).Draw(t, "replaced"), Stale: rapid.Int32Range(-1, 9).Draw(t, "stale")}
			}
			p.report.Pools = append(p.report.Pools, r)
		}
		for i := range rapid.IntRange(0, 40).Draw(t, "waits") {
			p.report.Waiting = append(p.report.Waiting, waitRow{What: "node", Name: fmt.Sprint(i), Reason: word.Draw(t, "reason"), Message: word.Draw(t, "message")})
		}
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			p.lately = append(p.lately, happening{What: "node", Name: word.Draw(t, "node"), Note: word.Draw(t, "note")})
		}
		width, height := rapid.IntRange(1, 140).Draw(t, "width"), rapid.IntRange(1, 60).Draw(t, "height")
		lines := p.lines(width, height)
		if len(lines) > height {
			t.Fatalf("%d lines on a screen of %d", len(lines), height)
		}
		for _, l := range lines {
			if len([]rune(l.text)) > width || strings.ContainsAny(l.text, "\x1b\n") {
				t.Fatalf("%q on a screen of %d columns", l.text, width)
			}
		}
	})
}

// TestBusyPoolsAreSeen: of many pools the idle ones give way.
func TestBusyPoolsAreSeen(t *testing.T) {
	p := page{at: time.Unix(0, 0), seen: time.Unix(0, 0)}
	for i := range 60 {
		p.report.Pools = append(p.report.Pools, poolRow{Name: fmt.Sprintf("pool-%02d", i), Activity: "idle"})
	}
	p.report.Pools[57].Activity = "cycling 1/3"
	p.report.Waiting = []waitRow{{What: "pool", Name: "pool-58", Reason: "OutOfHostCapacity"}}
	text := plainLines(p.lines(80, 24))
	for _, want := range []string{"pool-00", "pool-57 ", "pool-58 ", "pools more", "Waiting:", "pool pool-58: OutOfHostCapacity"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not to be seen:\n%s", want, text)
		}
	}
}

// TestHappeningsAreGathered: three nodes cordoned at once are one line, and one
// that was cordoned a minute before is another.
func TestHappeningsAreGathered(t *testing.T) {
	at := time.Unix(1000, 0)
	event := func(name, reason string, ago time.Duration) happening {
		return happening{At: at.Add(-ago), What: "node", Name: name, Count: 1, Reason: reason}
	}
	got := asOne([]happening{event("a", "Cordoned", 0), event("b", "Drained", time.Second), event("c", "Cordoned", 2*time.Second), event("d", "Cordoned", 9*time.Second), event("e", "Cordoned", time.Minute)})
	var said []string
	for _, h := range got {
		said = append(said, fmt.Sprint(h.Name, " ", h.Reason, " ", h.Count))
	}
	if want := "[a Cordoned 3 b Drained 1 e Cordoned 1]"; fmt.Sprint(said) != want {
		t.Errorf("%v, want %s", said, want)
	}
}
