package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Step is one scene: what it is called, and what has to happen.
type Step struct {
	// ID is a letter, as in the README and the command's --only.
	ID, Title string
	Run       func(context.Context, *Stage) error
}

// Stage is where a step plays.
type Stage struct {
	*Env
	Figures *Figures

	say     func(string)
	checked []string
	beside  bool // others play at the same time: what they break does not end this one
}

// Say tells what is going on; a later word replaces it.
func (s *Stage) Say(format string, args ...any) {
	if s.say != nil {
		s.say(fmt.Sprintf(format, args...))
	}
}

// Checked notes a thing that was checked and holds.
func (s *Stage) Checked(format string, args ...any) {
	s.checked = append(s.checked, fmt.Sprintf(format, args...))
}

// Wait is [Until] on this stage: it tells how things stand, and gives up at once
// when the daemon has died or a promise is broken.
func (s *Stage) Wait(ctx context.Context, what string, patience time.Duration, probe Probe) error {
	return Until(ctx, what, patience, func(now string) { s.Say("%s", now) }, func(ctx context.Context) (bool, string, error) {
		sound := s.Sound
		if s.beside {
			sound = s.Daemon.Err
		}
		if err := sound(); err != nil {
			return false, "", err
		}
		return probe(ctx)
	})
}

// Hold checks that a probe that holds goes on holding for a while.
func (s *Stage) Hold(ctx context.Context, what string, long time.Duration, probe Probe) error {
	end := time.Now().Add(long)
	err := s.Wait(ctx, what, long+time.Minute, func(ctx context.Context) (bool, string, error) {
		ok, now, err := probe(ctx)
		if err == nil && !ok {
			err = fmt.Errorf("it does not last: %s", now)
		}
		return time.Now().After(end), now, err
	})
	return err
}

// Sound is nil while the daemon lives and every promise is kept.
func (e *Env) Sound() error {
	if err := e.Daemon.Err(); err != nil {
		return err
	}
	broken := e.Watcher.Violations()
	if len(broken) == 0 {
		return nil
	}
	var lines []string
	for _, v := range broken[:min(len(broken), 5)] {
		lines = append(lines, v.String())
	}
	return fmt.Errorf("%d promises broken: %s", len(broken), strings.Join(lines, "; "))
}

// Outcome is how a step ended.
type Outcome struct {
	Step    Step
	Took    time.Duration
	Checked []string
	Err     error
}

// Listener hears a story as it is told. Each field may be nil.
type Listener struct {
	Begin func(Step)
	Say   func(Step, string)
	End   func(Outcome)
}

// Tell runs the steps in order and stops at the first that fails.
func Tell(ctx context.Context, e *Env, steps []Step, l Listener) (*Figures, error) {
	figures := &Figures{}
	for _, step := range steps {
		if l.Begin != nil {
			l.Begin(step)
		}
		s := &Stage{Env: e, Figures: figures}
		if l.Say != nil {
			s.say = func(text string) { l.Say(step, text) }
		}
		begin := time.Now()
		err := step.Run(ctx, s)
		if err == nil {
			err = e.Sound()
		}
		if l.End != nil {
			l.End(Outcome{Step: step, Took: time.Since(begin), Checked: s.checked, Err: err})
		}
		if err != nil {
			e.autopsy(context.WithoutCancel(ctx))
			return figures, fmt.Errorf("step %s (%s): %w", step.ID, step.Title, err)
		}
	}
	return figures, nil
}

// autopsy writes what tidemill itself says of the end into the directory of the
// logs: what waits is mostly explained there.
func (e *Env) autopsy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, command := range []string{"status", "plan"} {
		out, talk, _, err := e.CLI(ctx, command)
		if err != nil {
			talk += err.Error() + "\n"
		}
		// Nothing is lost but an explanation when this cannot be written.
		_ = os.WriteFile(filepath.Join(e.dir, command+".log"), []byte(out+talk), 0o600)
	}
}
