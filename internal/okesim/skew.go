package okesim

import (
	"net/http"
	"time"
)

// SetClock sets the service's own clock so far ahead of everybody else's; a negative d is behind. It tells what happens from now on by
// that clock (timeCreated, the times of work requests and of planned maintenance); what has been told keeps the time it was told with,
// and nothing happens earlier or later for it.
func (s *Sim) SetClock(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// clock is what the service takes for now. The caller holds s.mu.
func (s *Sim) clock() time.Time { return time.Now().Add(s.skew) }

// toldDue is the date of an instance's reboot by the service's clock; zero for none.
func (s *Sim) toldDue(i *instance) time.Time {
	if due := i.rebootDue(); !due.IsZero() {
		return due.Add(s.skew)
	}
	return time.Time{}
}

// date is the Date of an answer.
func (s *Sim) date() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock().UTC().Format(http.TimeFormat)
}

// SetPageSize is Options.PageSize of a Sim that runs: lists of which somebody has had a part already go on in parts of the new size.
func (s *Sim) SetPageSize(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pageSize = n; n <= 0 {
		s.pageSize = 50
	}
}

// SetBootVolumeFrom is Options.BootVolumeFrom of a Sim that runs, for what is down from now on.
func (s *Sim) SetBootVolumeFrom(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opt.BootVolumeFrom = what
}
