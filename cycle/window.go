package cycle

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // windows name time zones, and a small image has none

	"github.com/robfig/cron/v3"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// longestWindow bounds how far back an opening has to be looked for.
const longestWindow = 7 * 24 * time.Hour

// windowsAt says whether new nodes may be begun at now, and when that changes: a
// zero time if it never does. An error means that a window can never open.
//
//	schedule ──► opening ──────────► opening + duration
//	                     now? open            now? closed until the next opening
func windowsAt(list []v1alpha1.CycleWindow, now time.Time) (open bool, change time.Time, err error) {
	if len(list) == 0 {
		return true, time.Time{}, nil
	}
	var closes, opens time.Time
	for _, w := range list {
		p, err := parseWindow(w)
		if err != nil {
			return false, time.Time{}, err
		}
		if until := p.openUntil(now); until.After(closes) {
			closes = until
		}
		next := p.next(now)
		if next.IsZero() {
			return false, time.Time{}, fmt.Errorf("window %q never opens", w.Schedule)
		}
		if opens.IsZero() || next.Before(opens) {
			opens = next
		}
	}
	if !closes.IsZero() {
		return true, closes, nil
	}
	return false, opens, nil
}

// window is a window that can be asked.
type window struct {
	schedule cron.Schedule
	zone     *time.Location
	duration time.Duration
}

func parseWindow(w v1alpha1.CycleWindow) (window, error) {
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return window{}, fmt.Errorf("read time zone of window %q: %w", w.Schedule, err)
	}
	// The parser knows a time zone before the schedule, and panics on half of one.
	if strings.Contains(w.Schedule, "TZ=") {
		return window{}, fmt.Errorf("read window %q: the time zone stands in timeZone and not in the schedule", w.Schedule)
	}
	schedule, err := cron.ParseStandard(w.Schedule)
	if err != nil {
		return window{}, fmt.Errorf("read window %q: %w", w.Schedule, err)
	}
	if _, interval := schedule.(cron.ConstantDelaySchedule); interval {
		// It counts from whenever it is asked: the next opening would never come nearer.
		return window{}, fmt.Errorf("read window %q: an interval has no time of day; write minute, hour, day of month, month and day of week", w.Schedule)
	}
	if d := w.Duration.Duration; d <= 0 || d > longestWindow {
		return window{}, fmt.Errorf("read window %q: its duration is %s, and must be more than 0 and at most %s", w.Schedule, d, longestWindow)
	}
	return window{schedule, zone, w.Duration.Duration}, nil
}

// The schedule is asked in wall-clock time, as if the zone had no changes, and
// its answer is put on the zone's clock afterwards: an hour that does not exist
// is moved by the change, one that comes twice is taken once. A schedule that
// is asked on the zone's own clock skips the day instead.

func (w window) wall(t time.Time) time.Time {
	t = t.In(w.zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

func (w window) instant(wall time.Time) time.Time {
	return time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, w.zone)
}

// clockChange is more than any zone moves its clocks by.
const clockChange = 3 * time.Hour

// openUntil is when the window that is open at now closes; zero if none is.
func (w window) openUntil(now time.Time) (until time.Time) {
	for wall := w.schedule.Next(w.wall(now.Add(-w.duration)).Add(-clockChange)); !wall.IsZero(); wall = w.schedule.Next(wall) {
		at := w.instant(wall)
		if at.After(now.Add(clockChange)) {
			break
		}
		if end := at.Add(w.duration); !at.After(now) && end.After(now) && end.After(until) {
			until = end
		}
	}
	return until
}

// next is when the window opens after now; zero if never.
func (w window) next(now time.Time) time.Time {
	for wall := w.schedule.Next(w.wall(now).Add(-clockChange)); !wall.IsZero(); wall = w.schedule.Next(wall) {
		if at := w.instant(wall); at.After(now) {
			return at
		}
	}
	return time.Time{}
}
