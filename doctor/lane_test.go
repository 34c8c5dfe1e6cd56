package doctor

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Checks that wait for nobody go one after the other by one hand; if one hangs all
// the same, those behind it wait for it once and not for all of its patients.
func TestSwiftChecksShareALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		var hung atomic.Int32
		never := func(context.Context, Patient) Finding { hung.Add(1); <-release; return pass("") }
		r := &Runner{Timeout: time.Second, Checks: []Check{
			{ID: "first", Swift: true, Run: always(pass("fine"))},
			{ID: "hangs", Swift: true, Run: never},
			{ID: "slow", Run: func(context.Context, Patient) Finding { time.Sleep(900 * time.Millisecond); return pass("fine") }},
			{ID: "last", Swift: true, Run: always(pass("fine"))},
			{ID: "hangs-too", Swift: true, Run: never},
		}}
		three := people(t, "a", "b", "c")
		start := time.Now()
		got := r.Examine(t.Context(), three)
		if took := time.Since(start); took != 4*time.Second { // a second behind the first that hangs, then its own three
			t.Errorf("took %s", took)
		}
		for i, findings := range got {
			for j, want := range []State{Pass, Unknown, Pass, Pass, Unknown} {
				if f := findings[j]; f.State != want || f.Check != r.Checks[j].ID || f.Node != three[i].Name() {
					t.Errorf("patient %d: %+v", i, f)
				}
			}
		}
		if n := hung.Load(); n != 6 {
			t.Errorf("%d calls hang, want one for each patient of each", n)
		}
	})
}

// loud is a context that tells who looks at it.
type loud struct {
	context.Context
	heard *atomic.Int32
}

func (l loud) Done() <-chan struct{}       { l.heard.Add(1); return l.Context.Done() }
func (l loud) Deadline() (time.Time, bool) { l.heard.Add(1); return l.Context.Deadline() }
func (l loud) Err() error                  { l.heard.Add(1); return l.Context.Err() }

func TestChecksOverTheAPIWaitForNobody(t *testing.T) {
	var heard atomic.Int32
	ctx := loud{t.Context(), &heard}
	for _, c := range Checks() {
		if !c.Swift {
			t.Errorf("%s has a lane of its own", c.ID)
		}
		for _, p := range people(t, "a", "b") {
			if ok := c.Applies == nil; !ok {
				if ok, _ = c.Applies(p); !ok {
					continue
				}
			}
			c.Run(ctx, p)
		}
		if heard.Swap(0) > 0 {
			t.Errorf("%s waits by its context", c.ID)
		}
	}
	for _, c := range HostChecks() {
		if c.Swift {
			t.Errorf("%s reads a host, and may hang", c.ID)
		}
	}
}

// Nobody pays for a call's time until he asks for it; then it is what it was.
func TestTermEndsWithItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept context.Context
		now := time.Now()
		asked := &term{look: t.Context(), until: now.Add(time.Second)}
		asked.call(func(ctx context.Context, _ Patient) Finding {
			if at, ok := ctx.Deadline(); !ok || !at.Equal(now.Add(time.Second)) || ctx.Err() != nil {
				t.Errorf("the deadline is %s, the error %v", at, ctx.Err())
			}
			<-ctx.Done()
			return Finding{}
		}, Patient{})
		if took := time.Since(now); took != time.Second {
			t.Errorf("it ended after %s", took)
		}
		unasked := &term{look: t.Context(), until: time.Now().Add(time.Second)}
		unasked.call(func(ctx context.Context, _ Patient) Finding { kept = ctx; return Finding{} }, Patient{})
		if unasked.ctx != nil {
			t.Error("a context was made for nobody")
		}
		if kept.Err() != context.Canceled {
			t.Errorf("after the call its context says %v", kept.Err())
		}
	})
}
