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
	Drop       bool          // serve the request, then drop the connection instead of answering: Status is not sent
	Delay      time.Duration // wait this long first
}

type armedFault struct {
	op   string
	left int
	HTTPFault
}

// FailNext arms a fault for the next n requests of an operation ("UpdateNodePool"; "*" is any). Faults armed first strike first.
func (s *Sim) FailNext(op string, n int, f HTTPFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(s.faults, func(old *armedFault) bool { return old.left <= 0 })
	s.faults = append(s.faults, &armedFault{op: op, left: n, HTTPFault: f})
}

// nextFault counts the request and returns the fault that it meets, the zero one mostly.
func (s *Sim) nextFault(op string) HTTPFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[op]++
	for _, f := range s.faults {
		if f.left > 0 && (f.op == op || f.op == "*") {
			f.left--
			return f.HTTPFault
		}
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
