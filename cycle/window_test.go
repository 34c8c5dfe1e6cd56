package cycle

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

func windowOf(schedule, duration, zone string) v1alpha1.CycleWindow {
	d, err := time.ParseDuration(duration)
	if err != nil {
		panic(err)
	}
	return v1alpha1.CycleWindow{Schedule: schedule, Duration: metav1.Duration{Duration: d}, TimeZone: zone}
}

func TestWindows(t *testing.T) {
	for _, c := range []struct {
		name                     string
		schedule, duration, zone string
		now                      string
		open                     bool
		change                   string
	}{
		{"before it opens", "0 22 * * *", "4h", "", "2026-03-01T21:59:59Z", false, "2026-03-01T22:00:00Z"},
		{"when it opens", "0 22 * * *", "4h", "", "2026-03-01T22:00:00Z", true, "2026-03-02T02:00:00Z"},
		{"past midnight", "0 22 * * *", "4h", "", "2026-03-02T01:59:59Z", true, "2026-03-02T02:00:00Z"},
		{"when it closes", "0 22 * * *", "4h", "", "2026-03-02T02:00:00Z", false, "2026-03-02T22:00:00Z"},
		{"in its own zone", "0 22 * * *", "1h", "Asia/Tokyo", "2026-03-01T13:30:00Z", true, "2026-03-01T14:00:00Z"},
		{"only on weekdays", "0 22 * * 1-5", "1h", "", "2026-03-01T22:30:00Z", false, "2026-03-02T22:00:00Z"},
		{"an hour that the clocks skip is moved", "30 2 * * *", "1h", "Europe/Berlin", "2026-03-29T01:45:00Z", true, "2026-03-29T02:30:00Z"},
		{"an hour that comes twice opens once", "30 2 * * *", "30m", "Europe/Berlin", "2026-10-25T00:45:00Z", false, "2026-10-25T01:30:00Z"},
		{"its length is real time when the clocks change", "0 22 * * *", "8h", "Europe/Berlin", "2026-03-29T04:59:00Z", true, "2026-03-29T05:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, _ := time.Parse(time.RFC3339, c.now)
			open, change, err := windowsAt([]v1alpha1.CycleWindow{windowOf(c.schedule, c.duration, c.zone)}, now)
			if err != nil || open != c.open || change.UTC().Format(time.RFC3339) != c.change {
				t.Errorf("open %v until %s, %v; want %v until %s", open, change.UTC().Format(time.RFC3339), err, c.open, c.change)
			}
		})
	}
}

func TestWindowsThatNeverOpen(t *testing.T) {
	for _, w := range []v1alpha1.CycleWindow{
		windowOf("0 0 30 2 *", "1h", ""), windowOf("0 25 * * *", "1h", ""), windowOf("whenever", "1h", ""),
		windowOf("0 0 * * *", "0s", ""), windowOf("0 0 * * *", "1h", "Europe/Atlantis"), windowOf("0 0 * * *", "-1h", ""),
		windowOf("@every 24h", "1h", ""),
	} {
		if open, change, err := windowsAt([]v1alpha1.CycleWindow{w}, time.Now()); err == nil {
			t.Errorf("%+v: open %v until %v", w, open, change)
		}
	}
}

// Minute by minute: a window is open if and only if it has opened less than its
// length ago.
func TestWindowsAgainstTwin(t *testing.T) {
	zones := []string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"}
	days := []string{"2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2026-07-15"}
	rapid.Check(t, func(t *rapid.T) {
		w := windowOf(rapid.SampledFrom([]string{"0 2 * * *", "30 2 * * *", "15 */3 * * *", "45 1 * * 0", "0 22 * * *"}).Draw(t, "schedule"),
			rapid.SampledFrom([]string{"10m", "1h", "5h", "30h"}).Draw(t, "duration"), rapid.SampledFrom(zones).Draw(t, "zone"))
		day, _ := time.Parse(time.DateOnly, rapid.SampledFrom(days).Draw(t, "day"))
		now := day.Add(time.Duration(rapid.IntRange(-24*60, 48*60).Draw(t, "minute")) * time.Minute)
		open, change, err := windowsAt([]v1alpha1.CycleWindow{w}, now)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := parseWindow(w)
		want := false
		for at := now.Add(-p.duration - 24*time.Hour); !at.After(now); at = at.Add(time.Minute) {
			if start := p.next(at.Add(-time.Second)); !start.After(now) && now.Before(start.Add(p.duration)) {
				want = true
			}
		}
		if open != want || !change.After(now) {
			t.Fatalf("open %v, twin %v, change at %v", open, want, change)
		}
	})
}
