package doctor

import (
	"context"
	"slices"
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
	findings, keys := make([][]Finding, len(patients)), make([]string, len(patients))
	for i, p := range patients {
		findings[i], keys[i] = make([]Finding, len(r.Checks)), p.key()
	}
	if len(patients) > 0 && len(r.Checks) > 0 {
		w := &round{Runner: r, ctx: ctx, patients: patients, keys: keys, limits: make([]string, len(r.Checks)), findings: findings, through: make(chan struct{})}
		w.make()
	}
	r.forget(keys)
	return findings
}

// make opens the lanes and stays until all are through. What waits for nobody has
// one together, everything else one of its own.
func (r *round) make() {
	r.left++ // its own hold: else the first lane that is through could be the last
	var swift []int
	for j := range r.Checks {
		r.limits[j] = r.Checks[j].Limits.describe(r.Checks[j].Unit)
	}
	for j := range r.Checks {
		if r.Checks[j].Swift {
			swift = append(swift, j)
		} else {
			r.open([]int{j})
		}
	}
	if len(swift) > 0 {
		r.open(swift)
	}
	r.closed()
	timer, ended := time.NewTimer(r.shortest()), r.ctx.Done()
	defer timer.Stop()
	for {
		select {
		case <-r.through:
			return
		case <-ended:
			ended = nil
		case <-timer.C:
		}
		timer.Reset(r.patrol())
	}
}

// patrol looks at every lane, and says in what time one can be overdue next.
func (r *round) patrol() time.Duration {
	r.mu.Lock()
	lanes := slices.Clone(r.lanes)
	r.mu.Unlock()
	now, over := time.Now(), r.ctx.Err() != nil
	next := now.Add(r.shortest())
	for _, l := range lanes {
		if until := l.overdue(now, over); !until.IsZero() && until.Before(next) {
			next = until
		}
	}
	return next.Sub(now)
}

// shortest is the least time that any check has: who begins now is not overdue before.
func (r *round) shortest() time.Duration {
	shortest := r.Timeout
	for j := range r.Checks {
		shortest = min(shortest, r.patience(&r.Checks[j]))
	}
	return shortest
}

func (r *Runner) patience(c *Check) time.Duration { return or(c.Patience, r.Timeout) }

// finish makes a check's answer safe to act on.
func (r *Runner) finish(c *Check, p Patient, key string, f Finding) Finding {
	f.Check, f.Node = c.ID, p.Name()
	f.Message, f.Observed = clean(f.Message), clean(f.Observed)
	f = r.confirm(c, p, key, f)
	if f.Remedy == "" && (f.State == Warn || f.State == Fail) {
		f.Remedy = c.Remedy
	}
	return f
}

// foregone is the answer of a check that is not called, if there is a reason not to.
func (r *Runner) foregone(ctx context.Context, c *Check, p Patient, k call, tired bool) (Finding, bool) {
	if p.Node != nil && !c.Leaving && p.Leaving() {
		return skip(ReasonLeaving, "the node is being deleted"), true
	}
	if p.Look != nil {
		if f, blind := p.Look.Unseen.of(*c); blind {
			return f, true
		}
	}
	if c.Applies != nil {
		if ok, why := c.Applies(p); !ok {
			return skip(ReasonNotApplicable, why), true
		}
	}
	if tired {
		return unknown(ReasonHanging, "not tried: it hangs on other nodes"), true
	}
	r.mu.Lock()
	busy := r.hanging[k]
	r.mu.Unlock()
	if busy {
		return unknown(ReasonHanging, "the call of an earlier look still hangs"), true
	}
	if ctx.Err() != nil {
		return unknown(ReasonTimedOut, "the look has ended"), true
	}
	return Finding{}, false
}

// hangs remembers a call that has not come back, returned that it has.
func (r *Runner) hangs(k call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hanging == nil {
		r.hanging = map[call]bool{}
	}
	r.hanging[k] = true
}

func (r *Runner) returned(k call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.hanging, k)
}

// confirm turns a failure that has not stood long enough into a warning. What
// heals is forgotten at once: the next failure begins anew.
func (r *Runner) confirm(c *Check, p Patient, key string, f Finding) Finding {
	k := call{c.ID, key}
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
func (r *Runner) forget(patients []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failing) == 0 {
		return
	}
	here := make(map[string]bool, len(patients))
	for _, key := range patients {
		here[key] = true
	}
	for k := range r.failing {
		if !here[k.patient] {
			delete(r.failing, k)
		}
	}
}
