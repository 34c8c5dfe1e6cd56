package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A lane is the way of one check from patient to patient, or of several that wait
// for nobody. It has a hand that makes the calls and notes what comes of them, since
// nobody can be told to give up a call that hangs: the hand that does is left behind
// with it, and the lane takes another. So a look has as many goroutines as lanes, and
// not as many as there are answers, and who makes the rounds looks at all of them by
// one timer.
type lane struct {
	round *round

	mu     sync.Mutex
	checks []int // of the Runner, in the order in which they are made
	hand   int   // which hand is the lane's; others have been left behind
	check  int   // the place in checks
	at     int   // the patient that is next, or is being examined
	hangs  int   // of this check
	since  time.Time
	busy   bool // since then
}

// A round is one look at all patients. The lanes write to findings, each to its own,
// and nobody once they are all through.
type round struct {
	*Runner
	ctx      context.Context
	patients []Patient
	keys     []string
	limits   []string // of each check, in words
	findings [][]Finding
	through  chan struct{} // closed when all are
	mu       sync.Mutex
	lanes    []*lane
	left     int // lanes that are not through
}

// open begins a lane.
func (r *round) open(checks []int) {
	l := &lane{round: r, checks: checks}
	r.mu.Lock()
	r.lanes = append(r.lanes, l)
	r.left++
	r.mu.Unlock()
	go l.walk(0)
}

func (r *round) closed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left--; r.left == 0 {
		close(r.through)
	}
}

// walk is a hand's work, until the lane ends or the hand is left behind.
func (l *lane) walk(hand int) {
	for l.step(hand) {
	}
}

// step is one check on one patient; false when there is nothing more for this hand.
func (l *lane) step(hand int) bool {
	r := l.round
	l.mu.Lock()
	if l.check == len(l.checks) {
		l.mu.Unlock()
		r.closed()
		return false
	}
	c, p := &r.Checks[l.checks[l.check]], r.patients[l.at]
	k := call{c.ID, r.keys[l.at]}
	f, known := r.foregone(r.ctx, c, p, k, l.hangs >= maxHangs)
	if known {
		l.note(f)
		l.mu.Unlock()
		return true
	}
	l.since, l.busy = time.Now(), true
	t := &term{look: r.ctx, until: l.since.Add(r.patience(c))}
	l.mu.Unlock()

	f = t.call(c.Run, p)

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hand != hand { // too late: nobody waits for it, and from now on it does not hang any more
		r.returned(k)
		return false
	}
	l.busy = false
	l.note(f)
	return true
}

// note keeps what was found, and goes on. l.mu is held.
func (l *lane) note(f Finding) {
	r, j := l.round, l.checks[l.check]
	found := &r.findings[l.at][j]
	*found = r.finish(&r.Checks[j], r.patients[l.at], r.keys[l.at], f)
	found.Limit = r.limits[j]
	if f.Reason == ReasonTimedOut {
		l.hangs++
	}
	if l.at++; l.at == len(r.patients) {
		l.at, l.hangs = 0, 0
		l.check++
	}
}

// overdue leaves a hand behind whose call has had its time, or any that is at work
// when the look has ended, and says when to come again.
func (l *lane) overdue(now time.Time, over bool) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.busy {
		return time.Time{}
	}
	r, c := l.round, &l.round.Checks[l.checks[l.check]]
	patience := r.patience(c)
	if until := l.since.Add(patience); now.Before(until) && !over {
		return until
	}
	r.hangs(call{c.ID, r.keys[l.at]})
	l.busy = false
	l.hand++
	if rest := l.checks[l.check+1:]; len(rest) > 0 { // they wait for this one no more
		l.checks = l.checks[:l.check+1]
		r.open(rest)
	}
	l.note(unknown(ReasonTimedOut, fmt.Sprintf("no answer within %s", patience)))
	go l.walk(l.hand)
	return time.Time{}
}

// A term is the time that one call has: a context that costs nothing until somebody
// waits by it, for few do.
type term struct {
	look  context.Context
	until time.Time

	mu   sync.Mutex
	ctx  context.Context
	end  context.CancelFunc
	over bool
}

// call makes the call.
func (t *term) call(run func(context.Context, Patient) Finding, p Patient) (f Finding) {
	defer func() {
		if bug := recover(); bug != nil {
			f = unknown(ReasonPanicked, fmt.Sprintf("a bug in the check: %v", bug))
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.over = true
		if t.end != nil {
			t.end()
		}
	}()
	return run(t, p)
}

func (t *term) made() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx == nil {
		t.ctx, t.end = context.WithDeadline(t.look, t.until)
		if t.over {
			t.end()
		}
	}
	return t.ctx
}

// Deadline implements context.Context, as all of these do.
func (t *term) Deadline() (time.Time, bool) { return t.made().Deadline() }

// Done is closed when the call's time is over.
func (t *term) Done() <-chan struct{} { return t.made().Done() }

// Err is why it is.
func (t *term) Err() error { return t.made().Err() }

// Value is the look's.
func (t *term) Value(key any) any { return t.made().Value(key) }
