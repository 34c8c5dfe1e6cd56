package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// loop is one verb's loop in the manager. It runs on the leader only, and a
// loop that breaks is its own affair: it is said, waited for and begun again,
// while the others go on. Beginning again is safe, for no loop remembers
// anything that it could not observe.
type loop struct {
	name string
	run  func(context.Context) error
	log  *slog.Logger
	// pause is the wait before a broken loop is begun again; it doubles with
	// each break in a row, up to longestPause.
	pause time.Duration
	// broke counts; it may be nil.
	broke func()
}

const longestPause = time.Minute

// Start implements manager.Runnable. It returns nil when ctx ends and not
// before.
func (l *loop) Start(ctx context.Context) error {
	pause := l.pause
	for {
		began := time.Now()
		err := l.guarded(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > longestPause {
			pause = l.pause
		}
		l.log.Error("loop broke, it begins again", "loop", l.name, "in", pause, "error", err)
		if l.broke != nil {
			l.broke()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (l *loop) NeedLeaderElection() bool { return true }

// guarded turns a panic into an error.
func (l *loop) guarded(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	if err := l.run(ctx); err != nil {
		return err
	}
	return fmt.Errorf("it ended by itself")
}
