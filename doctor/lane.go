package doctor

import (
	"context"
	"fmt"
)

// A lane is one check's way from patient to patient. It has a hand that makes the
// calls, since nobody can be told to give up a call that hangs: the hand that does is
// left behind with it, and the lane takes another. So a look has as many goroutines
// as checks, and not as many as there are answers.
type lane struct {
	check Check
	now   *hand // nil before the first call, and after one that did not come back
}

// A hand calls one check. Whoever leaves it behind closes visits.
type hand struct {
	visits chan visit
	done   chan Finding // capacity 1: what comes back late is read by nobody
}

// visit is a call that is to be made.
type visit struct {
	ctx  context.Context
	p    Patient
	call call
}

func (l *lane) hand(r *Runner) *hand {
	if l.now == nil {
		l.now = &hand{make(chan visit), make(chan Finding, 1)}
		go l.now.work(r, l.check)
	}
	return l.now
}

// end lets go of the hand, if there is one, busy or not.
func (l *lane) end() {
	if l.now != nil {
		close(l.now.visits)
		l.now = nil
	}
}

// take has the call made, and returns where its answer comes.
func (h *hand) take(v visit) <-chan Finding {
	h.visits <- v
	return h.done
}

func (h *hand) work(r *Runner, c Check) {
	for v := range h.visits {
		h.make(r, c, v)
	}
}

// make calls the check. Its answer comes first, and that it does not hang any more
// after it: in the other order a lane that has just run out of patience would note a
// hanging call that is none.
func (h *hand) make(r *Runner, c Check, v visit) {
	defer func() {
		if bug := recover(); bug != nil {
			h.done <- unknown(ReasonPanicked, fmt.Sprintf("a bug in the check: %v", bug))
		}
		r.mu.Lock()
		delete(r.hanging, v.call)
		r.mu.Unlock()
	}()
	h.done <- c.Run(v.ctx, v.p)
}
