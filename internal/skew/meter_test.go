package skew

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func answer(at time.Time) *http.Response {
	return &http.Response{Header: http.Header{"Date": {at.UTC().Format(http.TimeFormat)}}}
}

// Whatever the answers took, a clock that agrees is never corrected, and one that is off
// is corrected to within a second and the quickest answer, never too far.
func TestMeter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		off := time.Duration(rapid.Int64Range(-100_000, 100_000).Draw(t, "off ms")) * time.Millisecond
		if rapid.Bool().Draw(t, "agrees") {
			off = 0
		}
		var m Meter
		now, quickest := noon, time.Hour
		for range rapid.IntRange(1, 12).Draw(t, "answers") {
			there := time.Duration(rapid.IntRange(0, 30_000).Draw(t, "there ms")) * time.Millisecond
			back := time.Duration(rapid.IntRange(0, 30_000).Draw(t, "back ms")) * time.Millisecond
			sent := now
			now = now.Add(there + back)
			m.Note(sent, now, answer(sent.Add(there+off)))
			quickest = min(quickest, there+back)
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "pause ms")) * time.Millisecond)
		}
		got := m.Ahead()
		if off == 0 && got != 0 || got.Abs() > off.Abs()+time.Second || off.Abs() > quickest+time.Second && (off-got).Abs() > quickest+time.Second {
			t.Fatalf("%s ahead is measured as %s, the quickest answer took %s", off, got, quickest)
		}
	})
}

func TestMeterFollowsAClockThatIsSet(t *testing.T) {
	var m Meter
	for i, off := range []time.Duration{0, 10 * time.Minute, -26 * time.Hour, 0} {
		now := noon.Add(time.Duration(i) * time.Minute)
		m.Note(now, now.Add(100*time.Millisecond), answer(now.Add(off)))
		if got := m.Ahead(); (got - off).Abs() > 1100*time.Millisecond {
			t.Errorf("after it was set to be %s ahead, %s is measured", off, got)
		}
	}
	kept := answer(noon.Add(-time.Hour))
	kept.Header.Set("Age", "3600")
	m.Note(noon, noon, kept)
	m.Note(noon, noon, &http.Response{Header: http.Header{"Date": {"yesterday"}}})
	m.Note(noon, noon, nil)
	if got := m.Ahead(); got != 0 {
		t.Errorf("answers that say nothing are measured as %s", got)
	}
	(*Meter)(nil).Note(noon, noon, answer(noon))
	if got := (*Meter)(nil).Ours(noon); !got.Equal(noon) || !m.Ours(time.Time{}).IsZero() {
		t.Errorf("a meter that is not there makes %s of noon", got)
	}
}

func TestMeterMeasuresByWhatGoesThrough(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat))
	}))
	defer s.Close()
	var m Meter
	r, err := (&http.Client{Transport: m.Wrap(http.DefaultTransport)}).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if got := m.Ahead(); got < 9*time.Minute || got > 10*time.Minute {
		t.Errorf("ten minutes ahead are measured as %s", got)
	}
}
