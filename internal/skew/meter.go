package skew

import (
	"net/http"
	"sync"
	"time"
)

// A Meter measures one service's clock. The zero Meter has measured nothing; a nil one
// never does. It is safe for concurrent use.
type Meter struct {
	mu     sync.Mutex
	lo, hi time.Duration
	known  bool
}

// Ahead is how far the service's clock is ahead of ours, as little as its answers
// allow; negative if it is behind, and 0 while nothing speaks against that.
func (m *Meter) Ahead() time.Duration {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.known:
		return 0
	case m.lo > 0:
		return m.lo
	case m.hi < 0:
		return m.hi
	}
	return 0
}

// Ours is a time of the service's by our clock. The zero time stays.
func (m *Meter) Ours(theirs time.Time) time.Time {
	if theirs.IsZero() {
		return theirs
	}
	return theirs.Add(-m.Ahead())
}

// Note takes in an answer to a request. One without a Date says nothing, nor does one
// that somebody had kept (it has an Age).
func (m *Meter) Note(sent, received time.Time, answer *http.Response) {
	if m == nil || answer == nil || answer.Header.Get("Age") != "" {
		return
	}
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	// The Date has no fractions: what was sent at 7.9 s says 7.
	lo, hi := date.Sub(received), date.Add(time.Second).Sub(sent)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known && lo <= m.hi && hi >= m.lo {
		lo, hi = max(lo, m.lo), min(hi, m.hi)
	}
	m.lo, m.hi, m.known = lo, hi, true
}

// Wrap measures by what goes through.
func (m *Meter) Wrap(next http.RoundTripper) http.RoundTripper { return transport{m, next} }

type transport struct {
	meter *Meter
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	answer, err := t.next.RoundTrip(r)
	t.meter.Note(sent, time.Now(), answer)
	return answer, err
}

// WrappedRoundTripper lets client-go find the transport below.
func (t transport) WrappedRoundTripper() http.RoundTripper { return t.next }
