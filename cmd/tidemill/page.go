package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/internal/plain"
)

// This file lays a report out on a screen. There is never enough room for all of
// it, so what goes first is what an operator misses last:
//
//	columns   what was opted in to, then the release, then the outdated; what a
//	          pool does now is never dropped, and cut at the edge only when it is
//	          wider than the screen by itself
//	rows      idle pools that wait for nothing
//	reasons   are wrapped while there is room, then a line each, then counted
//	events    have what is left below
//
// It is a pure function of what was seen and of the size.

// page is what a live view shows.
type page struct {
	at      time.Time
	report  statusReport
	lately  []happening // newest first
	trouble string      // why the last look failed, "" if it did not; the rest is older then
	seen    time.Time   // when the rest was seen; zero for never
}

// styled is a line, and how it is painted.
type styled struct{ text, colour string }

// lines fill at most height lines of at most width columns.
func (p page) lines(width, height int) []styled {
	out := []styled{{p.title(width), cyan}, {}}
	if p.trouble != "" {
		out = append(out, wrap(plain.Line("error: "+p.trouble+p.age()), width, red)...)
		out = append(out, styled{})
	}
	if !p.seen.IsZero() {
		rows := p.table(width, max(3, height*2/3-len(out)))
		out = append(out, rows...)
		if text := p.report.blind(); text != "" {
			out = append(out, wrap(text, width, yellow)...)
		}
		out = append(out, p.waits(width, height-len(out))...)
		out = append(out, p.events(width, height-len(out))...)
	}
	out = out[:min(len(out), max(height, 1))]
	for i := range out {
		out[i].text = clip(out[i].text, width)
	}
	return out
}

// title says when this was seen, how it is in one line, and how it ends.
func (p page) title(width int) string {
	size, ready := 0, 0
	for _, r := range p.report.Pools {
		size, ready = size+int(r.Size), ready+int(r.Ready)
	}
	parts := []string{"tidemill status", p.at.Format("15:04:05 MST"), fmt.Sprintf("%d pools, %d of %d nodes ready", len(p.report.Pools), ready, size), "ctrl-C ends it"}
	if p.seen.IsZero() {
		parts = slices.Delete(parts, 2, 3)
	}
	if s := strings.Join(parts, "   "); len(s) <= width {
		return s
	}
	return strings.Join(parts[:len(parts)-1], "  ")
}

func (p page) age() string {
	if p.seen.IsZero() {
		return ""
	}
	return "; what is below was seen at " + p.seen.Format(time.TimeOnly)
}

// column is a heading, and a pool's cell below it.
type column struct {
	head string
	cell func(poolRow) string
}

var (
	columnPool     = column{"POOL", func(r poolRow) string { return r.Name }}
	columnSize     = column{"SIZE", func(r poolRow) string { return fmt.Sprint(r.Size) }}
	columnReady    = column{"READY", func(r poolRow) string { return fmt.Sprint(r.Ready) }}
	columnOutdated = column{"OUTDATED", func(r poolRow) string { return fmt.Sprint(r.Outdated) }}
	columnRelease  = column{"RELEASE", func(r poolRow) string { return r.Release }}
	columnOn       = column{"ON", func(r poolRow) string { return r.Verbs }}
	columnActivity = column{"ACTIVITY", activityOf}
)

// sets of columns, the first that fits is shown.
var sets = [][]column{
	{columnPool, columnSize, columnReady, columnOutdated, columnRelease, columnOn, columnActivity},
	{columnPool, columnSize, columnReady, columnOutdated, columnRelease, columnActivity},
	{columnPool, columnSize, columnReady, columnOutdated, columnActivity},
	{columnPool, columnSize, columnReady, columnActivity},
}

// activityOf is what a pool does, with a bar where something is under way.
func activityOf(r poolRow) string {
	c := r.Cycle
	if c == nil || c.Replaced+c.Stale <= 0 {
		return r.Activity
	}
	const cells = 10
	done := min(max(int(c.Replaced)*cells/int(c.Replaced+c.Stale), 0), cells)
	return strings.Repeat("▰", done) + strings.Repeat("▱", cells-done) + " " + r.Activity
}

// table has a line for each pool, as far as height goes.
func (p page) table(width, height int) []styled {
	if len(p.report.Pools) == 0 {
		return wrap(noPools, width, "")
	}
	pools, hidden := p.busyFirst(height - 1)
	var lines []string
	for _, set := range sets {
		lines = align(set, pools)
		if slices.IndexFunc(lines, func(l string) bool { return len([]rune(l)) > width }) < 0 {
			break
		}
	}
	out := []styled{{lines[0], bold}}
	for i, l := range lines[1:] {
		out = append(out, styled{l, map[bool]string{true: cyan}[pools[i].Cycle != nil]})
	}
	if hidden > 0 {
		out = append(out, styled{fmt.Sprintf("... and %d pools more", hidden), ""})
	}
	return out
}

// busyFirst leaves out as many pools as do not fit, idle ones first and the last
// first, and keeps the order of the rest.
func (p page) busyFirst(room int) (shown []poolRow, hidden int) {
	pools := slices.Clone(p.report.Pools)
	if len(pools) <= room {
		return pools, 0
	}
	room = max(room-1, 1) // a line says how many are not there
	waits := map[string]bool{}
	for _, w := range p.report.Waiting {
		waits[w.Name] = waits[w.Name] || w.What == "pool"
	}
	for i := len(pools) - 1; i >= 0 && len(pools) > room; i-- {
		if pools[i].Activity == "idle" && !waits[pools[i].Name] {
			pools = slices.Delete(pools, i, i+1)
		}
	}
	pools = pools[:min(len(pools), room)]
	return pools, len(p.report.Pools) - len(pools)
}

// align puts cells below their headings.
func align(set []column, pools []poolRow) []string {
	rows := [][]string{make([]string, len(set))}
	for i, c := range set {
		rows[0][i] = c.head
	}
	for _, r := range pools {
		var cells []string
		for _, c := range set {
			cells = append(cells, orDash(plain.Line(c.cell(r))))
		}
		rows = append(rows, cells)
	}
	lines := make([]string, len(rows))
	for i := range set {
		widest := 0
		for _, cells := range rows {
			widest = max(widest, len([]rune(cells[i])))
		}
		for j, cells := range rows {
			lines[j] += cells[i]
			if i < len(set)-1 {
				lines[j] += strings.Repeat(" ", widest-len([]rune(cells[i]))+2)
			}
		}
	}
	return lines
}

// waits say why things wait, in as many words as there is room for.
func (p page) waits(width, height int) []styled {
	reasons := p.report.reasons()
	if len(reasons) == 0 || height < 3 {
		return nil
	}
	out := []styled{{}, {"Waiting:", bold}}
	height -= len(out)
	var whole []styled
	for _, r := range reasons {
		whole = append(whole, wrap("  "+plain.Line(r), width, yellow)...)
	}
	if len(whole) <= height {
		return append(out, whole...)
	}
	for i, r := range reasons {
		if i == height-1 && len(reasons) > height {
			return append(out, styled{fmt.Sprintf("  ... and %d reasons more", len(reasons)-i), yellow})
		}
		out = append(out, styled{"  " + plain.Line(r), yellow})
	}
	return out
}

// events are what tidemill did of late; fewer than two are no story.
func (p page) events(width, height int) []styled {
	if height < 4 || len(p.lately) == 0 {
		return nil
	}
	out := []styled{{}, {"Lately:", bold}}
	for _, h := range p.lately[:min(len(p.lately), height-2)] {
		colour := ""
		if h.Warning {
			colour = red
		}
		out = append(out, styled{clip("  "+plain.Line(h.String()), width), colour})
	}
	return out
}

// wrap breaks a text between words; what follows the first line stands four
// columns further in.
func wrap(text string, width int, colour string) []styled {
	var out []styled
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = indent + word
		case len([]rune(line))+1+len([]rune(word)) <= width:
			line += " " + word
		default:
			out = append(out, styled{line, colour})
			line = indent + "    " + word
		}
	}
	return append(out, styled{line, colour})
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
