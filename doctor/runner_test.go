package doctor

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// people are patients with nothing wrong that any check here would look at.
func people(t testing.TB, names ...string) []Patient {
	t.Helper()
	c := newClinic()
	for _, n := range names {
		c.addNode(n)
	}
	return patients(NewLook(c.Snapshot(), nil, nil, nil), c.policy.withDefaults())
}

func always(f Finding) func(context.Context, Patient) Finding {
	return func(context.Context, Patient) Finding { return f }
}

func TestRunnerSurvivesItsChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		var hung atomic.Int32
		r := &Runner{Timeout: time.Second, Checks: []Check{
			{ID: "hangs", Run: func(context.Context, Patient) Finding { hung.Add(1); <-release; return pass("") }},
			{ID: "panics", Run: func(context.Context, Patient) Finding { panic("nil map") }},
			{ID: "polite", Run: func(ctx context.Context, _ Patient) Finding { <-ctx.Done(); return unknown("GaveUp", "") }},
			{ID: "works", Run: always(pass("fine"))},
		}}
		five := people(t, "a", "b", "c", "d", "e")
		start := time.Now()
		got := r.Examine(t.Context(), five)
		// Three hangs of a second each, and then the lane gives up; the polite check
		// is told to stop five times.
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %s", took)
		}
		for i, findings := range got {
			want := ReasonTimedOut
			if i >= maxHangs {
				want = ReasonHanging
			}
			if f := findings[0]; f.State != Unknown || f.Reason != want {
				t.Errorf("patient %d: hangs: %+v", i, f)
			}
			if f := findings[1]; f.State != Unknown || f.Reason != ReasonPanicked || f.Message != "a bug in the check: nil map" {
				t.Errorf("patient %d: panics: %+v", i, f)
			}
			if f := findings[2]; f.State != Unknown {
				t.Errorf("patient %d: polite: %+v", i, f)
			}
			if f := findings[3]; f.State != Pass || f.Check != "works" || f.Node != five[i].Name() {
				t.Errorf("patient %d: works: %+v", i, f)
			}
		}
		if n := hung.Load(); n != maxHangs {
			t.Errorf("a check that hangs everywhere was called %d times, want %d", n, maxHangs)
		}
		// Another run leaves those alone that still hang, and tries the rest.
		r.Examine(t.Context(), five)
		if n := hung.Load(); n != 5 {
			t.Errorf("hanging calls after the second run: %d, want 5: one per patient", n)
		}
	})
}

func TestHangingCheckIsAskedAgainOnceItReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := &Runner{Timeout: time.Second, Checks: []Check{{ID: "slow", Run: func(context.Context, Patient) Finding { <-release; return pass("") }}}}
		one := people(t, "a")
		r.Examine(t.Context(), one)
		close(release)
		synctest.Wait()
		if f := r.Examine(t.Context(), one)[0][0]; f.State != Pass {
			t.Errorf("after it came back: %+v", f)
		}
	})
}

func TestRunnerStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := &Runner{Timeout: time.Hour, Checks: []Check{{ID: "waits", Run: func(ctx context.Context, _ Patient) Finding { <-ctx.Done(); return pass("") }}}}
		start := time.Now()
		r.Examine(ctx, people(t, "a", "b"))
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %s after its context ended at 1s", took)
		}
	})
}

func TestConfirm(t *testing.T) {
	now := worldtest.Now
	dated := func(ago time.Duration) func(Patient) Finding {
		return func(p Patient) Finding { return Finding{State: Fail, Reason: "Bad", Since: p.Now.Add(-ago)} }
	}
	undated := func(Patient) Finding { return Finding{State: Fail, Reason: "Bad"} }
	well := func(Patient) Finding { return pass("") }
	type step struct {
		at          time.Duration
		find        func(Patient) Finding
		state       State
		unconfirmed bool
	}
	for _, c := range []struct {
		name    string
		oneShot bool
		confirm time.Duration
		steps   []step
	}{
		{"no confirmation asked", false, 0, []step{{0, undated, Fail, false}}},
		{"a date in the future is no reason to wait", false, 0, []step{{0, dated(-time.Hour), Fail, false}}},
		{"dated by the cluster", false, time.Minute, []step{{0, dated(59 * time.Second), Warn, true}, {0, dated(time.Minute), Fail, false}}},
		{"dated by memory", false, time.Minute, []step{{0, undated, Warn, true}, {30 * time.Second, undated, Warn, true}, {time.Minute, undated, Fail, false}}},
		{"healing begins anew", false, time.Minute, []step{{0, undated, Warn, true}, {30 * time.Second, well, Pass, false}, {time.Minute, undated, Warn, true}}},
		{"one look has no memory to wait for", true, time.Minute, []step{{0, undated, Fail, false}}},
		{"one look still believes the cluster", true, time.Minute, []step{{0, dated(time.Second), Warn, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var find func(Patient) Finding
			r := &Runner{Timeout: time.Second, OneShot: c.oneShot, Checks: []Check{{ID: "x", Confirm: c.confirm,
				Run: func(_ context.Context, p Patient) Finding { return find(p) }}}}
			for i, s := range c.steps {
				one := people(t, "a")
				one[0].Now = now.Add(s.at)
				find = s.find
				f := r.Examine(t.Context(), one)[0][0]
				if f.State != s.state || f.Unconfirmed != s.unconfirmed {
					t.Errorf("step %d: %s unconfirmed=%v, want %s %v", i, f.State, f.Unconfirmed, s.state, s.unconfirmed)
				}
			}
		})
	}
}
