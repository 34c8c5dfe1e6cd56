package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/tidemill/tidemill/internal/plain"
)

// watchFlags make status a live view.
type watchFlags struct {
	on    bool
	every time.Duration
}

func (w *watchFlags) register(s *pflag.FlagSet) {
	s.BoolVarP(&w.on, "watch", "w", false, "look again and again until ctrl-C: one screen at a terminal, what changed elsewhere")
	s.DurationVar(&w.every, "every", 2*time.Second, "how often with --watch")
}

func (w *watchFlags) check(g *globals) error {
	switch {
	case w.on && g.structured():
		return usage(fmt.Errorf("--watch with -o %s", g.output), "programs read one answer: call it again and again, or watch the Pools themselves: kubectl get pools -w -o json")
	case w.on && w.every < 500*time.Millisecond:
		return usage(fmt.Errorf("--every %s is too short", w.every), "500ms or more: each look lists pools, nodes and pending pods")
	}
	return nil
}

// watchStatus shows the report until ctx ends, which is a good end. A look that
// fails is shown as such; the next one may be better.
func (g *globals) watchStatus(ctx context.Context, report func(context.Context) (statusReport, error), every time.Duration) error {
	var v view = &printed{w: g.stdout}
	if isTerminal(os.Stdout) {
		v = openScreen(os.Stdout, paintFor(os.Stdout))
	}
	defer v.close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		r, err := report(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var refused *failure
		if errors.As(err, &refused) && refused.code == exitNo {
			return err // a pool that is not there will not be there at the next look
		}
		var b bytes.Buffer
		if err != nil {
			sentence, _ := sentenceOf(err)
			fmt.Fprintf(&b, "error: %s\n", sentence)
		} else if err := g.writeStatus(&b, r); err != nil {
			return err
		}
		if err := v.show(time.Now(), plain.Text(b.String())); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// view is where a live report is shown.
type view interface {
	show(now time.Time, text string) error
	close()
}

// printed shows a report after the other, each when it differs from the last.
type printed struct {
	w    io.Writer
	last string
}

func (p *printed) show(now time.Time, text string) error {
	if text == p.last {
		return nil
	}
	p.last = text
	_, err := fmt.Fprintf(p.w, "--- %s\n%s", now.UTC().Format(time.RFC3339), text)
	if f, ok := p.w.(interface{ Flush() error }); ok && err == nil {
		err = f.Flush() // whoever reads a pipe waits for it
	}
	return err
}

func (p *printed) close() {}

// screen is the terminal's second page, so that what stood on the first is there
// again afterwards, with the last report below it.
type screen struct {
	w     io.Writer
	size  func() (width, height int)
	paint paint
	last  string
}

func openScreen(f *os.File, p paint) *screen {
	s := &screen{w: f, paint: p, size: func() (int, int) {
		w, h, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 80, 24
		}
		return w, h
	}}
	fmt.Fprint(s.w, "\x1b[?1049h\x1b[?25l")
	return s
}

// show paints the page from its first line on: nothing is erased before it is
// painted anew, so that it does not flicker.
func (s *screen) show(now time.Time, text string) error {
	s.last = text
	width, height := s.size()
	lines := append([]string{"tidemill status   " + now.Format(time.TimeOnly) + "   ctrl-C ends it", ""}, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
	if len(lines) > height {
		lines = append(lines[:height-1], fmt.Sprintf("... and %d lines more", len(lines)-height+1))
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(s.paint.in(colourOf(i, l), clip(l, width)) + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(s.w, b.String())
	return err
}

func (s *screen) close() { fmt.Fprint(s.w, "\x1b[?25h\x1b[?1049l"+s.last) }

// colourOf is by what the line says.
func colourOf(i int, line string) string {
	switch {
	case i == 0:
		return cyan
	case strings.HasPrefix(line, "POOL ") || strings.HasPrefix(line, "Waiting:"):
		return bold
	case strings.HasPrefix(line, "error:"):
		return red
	case strings.HasPrefix(line, "  "):
		return yellow
	}
	return "0"
}

// clip keeps a line from running into the next.
func clip(line string, width int) string {
	if r := []rune(line); width > 0 && len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return line
}
