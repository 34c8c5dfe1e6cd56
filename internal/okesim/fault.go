package okesim

import (
	"context"
	"maps"
	"slices"
	"time"
)

// HTTPFault is what an armed fault does to a request.
type HTTPFault struct {
	Status     int           // answer with this status and do nothing; 0 serves the request
	Code       string        // OCI error code; default by status
	Message    string        // default by status
	RetryAfter time.Duration // sent as Retry-After in whole seconds, if not 0
	Lost       bool          // drop the connection and do nothing
	Drop       bool          // serve the request, then drop the connection instead of answering: Status is not sent
	Truncate   bool          // serve the request and cut the answer's body in half
	Stale      bool          // answer a GET as it was answered the last time, if it was; a replica that lags behind
	Delay      time.Duration // wait this long first
	Chance     float64       // of striking a request, from the Sim's own dice; 0 is always
}

type armedFault struct {
	op   string
	left int // negative: for good
	HTTPFault
}

// FailNext arms a fault for the next n requests of an operation ("UpdateNodePool"; "*" is any); a negative n is every one until
// [Sim.ClearFaults]. Faults armed first strike first.
func (s *Sim) FailNext(op string, n int, f HTTPFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(s.faults, func(old *armedFault) bool { return old.left == 0 })
	s.faults = append(s.faults, &armedFault{op: op, left: n, HTTPFault: f})
}

// ClearFaults disarms the faults of an operation as it was named to FailNext; an empty name disarms all.
func (s *Sim) ClearFaults(op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(s.faults, func(f *armedFault) bool { return op == "" || f.op == op })
}

// nextFault counts the request and returns the fault that it meets, the zero one mostly.
func (s *Sim) nextFault(op string) HTTPFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[op]++
	for _, f := range s.faults {
		if f.left == 0 || (f.op != op && f.op != "*") || (f.Chance > 0 && s.dice.Float64() >= f.Chance) {
			continue
		}
		f.left = max(f.left-1, -1)
		return f.HTTPFault
	}
	return HTTPFault{}
}

// Calls returns how many requests each operation has had, refused and failed ones included, unauthenticated ones not.
func (s *Sim) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

func (f HTTPFault) words() (code, message string) {
	code, message = defaultCode(f.Status)
	if f.Code != "" {
		code = f.Code
	}
	if f.Message != "" {
		message = f.Message
	}
	return code, message
}

// wait sits out the delay; false means that the caller gave up.
func (f HTTPFault) wait(ctx context.Context) bool {
	if f.Delay <= 0 {
		return true
	}
	t := time.NewTimer(f.Delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// rendered is an answer as it goes over the wire.
type rendered struct {
	*answer
	text []byte
}

// keptAnswers bounds the memory of answers for stale reads: a simulation asks the same hundred questions again and again.
const keptAnswers = 1000

// remember keeps the answer to a GET for a later stale read.
func (s *Sim) remember(uri string, r rendered) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) >= keptAnswers {
		clear(s.answers)
	}
	s.answers[uri] = r
}

func (s *Sim) remembered(uri string) (rendered, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.answers[uri]
	return r, ok
}
