package okesim

import (
	"fmt"
	"time"
)

// trace writes one line of Options.Trace. The caller holds mu.
func (s *Sim) trace(format string, args ...any) {
	if s.opt.Trace == nil {
		return
	}
	fmt.Fprintf(s.opt.Trace, "%s %s\n", time.Since(s.begun), fmt.Sprintf(format, args...))
}

// traceCall notes the end of a request.
func (s *Sim) traceCall(op, path string, status int) {
	if s.opt.Trace == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace("%s %s %d", op, path, status)
}

// stage plans the end of a stage that takes about d: by as much more or less as Options.Jitter says, by the dice.
func (s *Sim) stage(d time.Duration, do func()) {
	if s.opt.Jitter > 0 {
		d = time.Duration(float64(d) * (1 + s.opt.Jitter*(2*s.dice.Float64()-1)))
	}
	s.after(d, do)
}
