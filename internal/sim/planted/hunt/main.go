// Command hunt has the simulation look for planted bugs, and writes down which it
// found. It goes round: a few seeds for each bug that is not found yet, then a few
// more, so that what is easily found is found first and the rest of the time goes
// to what is not.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/sim/planted"
)

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "of the module")
	flag.StringVar(&o.only, "run", "", "look only for bugs whose name this matches")
	flag.StringVar(&o.document, "document", "docs/reliability.md", "gets the table")
	flag.StringVar(&o.kept, "finds", "internal/sim/planted/finds.txt", "keeps what was found, and where to go on")
	flag.StringVar(&o.binary, "binary", "", "keep what is compiled here, and use what an earlier hunt has kept")
	flag.IntVar(&o.seeds, "seeds", 5000, "give a bug up after so many")
	flag.IntVar(&o.round, "round", 10, "seeds for each bug in a round")
	flag.IntVar(&o.jobs, "jobs", 2, "bugs that are looked for side by side")
	flag.DurationVar(&o.budget, "budget", 0, "stop after so long; 0 for never")
	flag.BoolVar(&o.again, "again", false, "forget what was found before, of those that are looked for")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := hunt(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "hunt:", err)
		os.Exit(1)
	}
}

type options struct {
	root, only, document, kept, binary string
	seeds, round, jobs                 int
	budget                             time.Duration
	again                              bool
}

// state is what is found so far, kept after each find.
type state struct {
	mu    sync.Mutex
	finds map[string]planted.Find
}

func hunt(ctx context.Context, o options) error {
	all, err := planted.Bugs()
	if err != nil {
		return err
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	s := &state{}
	if s.finds, err = planted.ReadFinds(filepath.Join(o.root, o.kept)); err != nil {
		return err
	}
	known := map[string]bool{}
	for _, b := range all {
		known[b.Name] = true
	}
	maps.DeleteFunc(s.finds, func(name string, _ planted.Find) bool { return !known[name] || o.again && only.MatchString(name) })
	if o.root, err = filepath.Abs(o.root); err != nil {
		return err
	}
	if o.binary == "" {
		dir, err := os.MkdirTemp("", "tidemill-hunt")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.binary = filepath.Join(dir, "sim.test")
	}
	if _, err := os.Stat(o.binary); err != nil {
		if err := planted.Build(o.root, o.binary, all); err != nil {
			return err
		}
	}
	if o.budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.budget)
		defer cancel()
	}
	s.rounds(ctx, o, all, only)
	if o.document == "" {
		return nil
	}
	return planted.PutTable(filepath.Join(o.root, o.document), planted.Table(all, s.finds))
}

// rounds goes round until all are found, given up, or the time is over.
func (s *state) rounds(ctx context.Context, o options, all []planted.Bug, only *regexp.Regexp) {
	for open := true; open && ctx.Err() == nil; {
		open = false
		next := make(chan planted.Bug)
		var wait sync.WaitGroup
		for range o.jobs {
			wait.Go(func() {
				for b := range next {
					s.look(ctx, o, b)
				}
			})
		}
		for _, b := range all {
			s.mu.Lock()
			f := s.finds[b.Name]
			s.mu.Unlock()
			if only.MatchString(b.Name) && f.Promise == "" && f.Played < o.seeds && ctx.Err() == nil {
				open = true
				next <- b
			}
		}
		close(next)
		wait.Wait()
	}
}

// look gives one bug a round and keeps what comes of it.
func (s *state) look(ctx context.Context, o options, b planted.Bug) {
	s.mu.Lock()
	f := s.finds[b.Name]
	s.mu.Unlock()
	field := planted.Field{Root: o.root, Binary: o.binary, Log: os.Stderr}
	f, err := field.Play(ctx, b, f, min(o.round, o.seeds-f.Played))
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		f.Played++ // what came to no end is not played again
	}
	fmt.Printf("%s\t%s\tseed %d\tplayed %d\t%s\n", f.Bug, f.Promise, f.Seed, f.Played, f.Took.Round(time.Second))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finds[b.Name] = f
	if err := planted.WriteFinds(filepath.Join(o.root, o.kept), s.finds); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
