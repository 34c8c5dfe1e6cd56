package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Runner runs checks on patients and makes their answers safe to act on.
//
// Each check has a lane of its own and goes from patient to patient in it, so
// that one that is slow or hangs delays no other. A call that does not come back
// in time is left behind (a stat on a dead file server cannot be interrupted),
// and is not repeated on that patient while it hangs.
type Runner struct {
	Checks []Check
	// Timeout is the time of one check on one patient.
	Timeout time.Duration
	// OneShot is set where nobody remembers: failures the cluster does not date
	// are then reported at once, for a person to judge.
	OneShot bool

	mu      sync.Mutex
	hanging map[call]bool      // calls that have not come back
	failing map[call]time.Time // the first look of a failure that still stands
}

type call struct{ check, patient string }

// maxHangs is how many patients a check may hang on in one run before the rest
// are spared the wait: what hangs everywhere would otherwise take hours.
const maxHangs = 3

// Examine gives the findings of each patient, in the order of Checks.
func (r *Runner) Examine(ctx context.Context, patients []Patient) [][]Finding {
	findings := make([][]Finding, len(patients))
	for i := range findings {
		findings[i] = make([]Finding, len(r.Checks))
	}
	var lanes sync.WaitGroup
	for j, c := range r.Checks {
		lanes.Go(func() {
			l := lane{check: c}
			defer l.end()
			hangs, limit := 0, c.Limits.describe(c.Unit)
			for i, p := range patients {
				f := r.examine(ctx, &l, p, hangs >= maxHangs)
				f.Limit = limit
				if f.Reason == ReasonTimedOut {
					hangs++
				}
				findings[i][j] = f
			}
		})
	}
	lanes.Wait()
	r.forget(patients)
	return findings
}

func (r *Runner) examine(ctx context.Context, l *lane, p Patient, tired bool) Finding {
	c := l.check
	f := r.ask(ctx, l, p, tired)
	f.Check, f.Node = c.ID, p.Name()
	f.Message, f.Observed = clean(f.Message), clean(f.Observed)
	f = r.confirm(c, p, f)
	if f.Remedy == "" && (f.State == Warn || f.State == Fail) {
		f.Remedy = c.Remedy
	}
	return f
}

// ask has the check called unless there is a reason not to.
func (r *Runner) ask(ctx context.Context, l *lane, p Patient, tired bool) Finding {
	c := l.check
	if p.Node != nil && !c.Leaving && p.Leaving() {
		return skip(ReasonLeaving, "the node is being deleted")
	}
	if p.Look != nil {
		if f, blind := p.Look.Unseen.of(c); blind {
			return f
		}
	}
	if c.Applies != nil {
		if ok, why := c.Applies(p); !ok {
			return skip(ReasonNotApplicable, why)
		}
	}
	if tired {
		return unknown(ReasonHanging, "not tried: it hangs on other nodes")
	}
	k := call{c.ID, p.key()}
	r.mu.Lock()
	busy := r.hanging[k]
	r.mu.Unlock()
	if busy {
		return unknown(ReasonHanging, "the call of an earlier look still hangs")
	}
	return r.bounded(ctx, l, p, k)
}

func (r *Runner) bounded(ctx context.Context, l *lane, p Patient, k call) Finding {
	ctx, cancel := context.WithTimeout(ctx, or(l.check.Patience, r.Timeout))
	defer cancel()
	done := l.hand(r).take(visit{ctx, p, k})
	select {
	case f := <-done:
		return f
	case <-ctx.Done():
	}
	l.end()
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case f := <-done: // it came back in the same moment
		return f
	default:
	}
	if r.hanging == nil {
		r.hanging = map[call]bool{}
	}
	r.hanging[k] = true
	return unknown(ReasonTimedOut, fmt.Sprintf("no answer within %s", or(l.check.Patience, r.Timeout)))
}

// confirm turns a failure that has not stood long enough into a warning. What
// heals is forgotten at once: the next failure begins anew.
func (r *Runner) confirm(c Check, p Patient, f Finding) Finding {
	k := call{c.ID, p.key()}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.State != Fail {
		delete(r.failing, k)
		return f
	}
	since := f.Since
	if since.IsZero() && !r.OneShot {
		if r.failing == nil {
			r.failing = map[call]time.Time{}
		}
		if r.failing[k].IsZero() {
			r.failing[k] = p.Now
		}
		since = r.failing[k]
	}
	if !since.IsZero() && c.Confirm > 0 && p.Now.Sub(since) < c.Confirm {
		f.State, f.Unconfirmed = Warn, true
	}
	return f
}

// forget drops what is remembered of patients that are gone.
func (r *Runner) forget(patients []Patient) {
	r.mu.Lock()
	defer r.mu.Unlock()
	here := make(map[string]bool, len(patients))
	for _, p := range patients {
		here[p.key()] = true
	}
	for k := range r.failing {
		if !here[k.patient] {
			delete(r.failing, k)
		}
	}
}
