package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"
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
func (g *globals) watchStatus(ctx context.Context, look func(context.Context) (statusReport, []happening, error), every time.Duration) error {
	var v view = &printed{g: g}
	if isTerminal(os.Stdout) && os.Getenv("TERM") != "dumb" {
		s := g.openScreen(os.Stdout)
		defer s.follow()()
		v = s
	}
	defer v.close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var p page
	for {
		r, events, err := look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var refused *failure
		if errors.As(err, &refused) && refused.code == exitNo {
			return err // a pool that is not there will not be there at the next look
		}
		p.at, p.trouble = time.Now(), ""
		if err != nil {
			p.trouble, _ = sentenceOf(err)
		} else {
			p.report, p.lately, p.seen = r, events, p.at
		}
		if err := v.show(p); err != nil {
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
	show(page) error
	close()
}

// printed shows a report after the other, each when it differs from the last.
type printed struct {
	g    *globals
	last string
}

func (v *printed) show(p page) error {
	text, err := v.g.text(p)
	if err != nil || text == v.last {
		return err
	}
	v.last = text
	_, err = fmt.Fprintf(v.g.stdout, "--- %s\n%s", p.at.UTC().Format(time.RFC3339), text)
	if f, ok := v.g.stdout.(interface{ Flush() error }); ok && err == nil {
		err = f.Flush() // whoever reads a pipe waits for it
	}
	return err
}

func (v *printed) close() {}

// text is the report as status prints it once.
func (g *globals) text(p page) (string, error) {
	if p.trouble != "" {
		return "error: " + p.trouble + "\n", nil
	}
	var b bytes.Buffer
	err := g.writeStatus(&b, p.report)
	return plain.Text(b.String()), err
}
