package doctor

import (
	"context"
	"time"
)

// Rounds examine one host again and again, as the agent on a node does. What
// must last from one round to the next lasts in it: the counters, and which
// calls still hang, so that a dead file server costs one thread and not one a
// minute. It is for one goroutine.
type Rounds struct {
	options HostOptions
	runner  *Runner
	before  *Tally
	loaded  bool
}

// NewRounds begins with what Options.State keeps of an earlier process.
func NewRounds(o HostOptions) *Rounds {
	checks := o.Checks
	if checks == nil {
		checks = HostChecks()
	}
	return &Rounds{options: o, runner: &Runner{Checks: checks, Timeout: o.Policy.withDefaults().CheckTimeout, OneShot: true}}
}

// Examine makes a round. The report and the error are as those of
// [ExamineHost]; the counters are compared with the last round even when the
// state file cannot be written.
func (r *Rounds) Examine(ctx context.Context) (Report, error) {
	h, err := OpenHost(r.options.Root)
	if err != nil {
		return Report{Schema: Schema, Time: time.Now(), Err: err.Error()}, nil
	}
	r.options.equip(h)
	var stateErr error
	if r.options.State != "" && !r.loaded {
		r.before, stateErr = LoadTally(r.options.State)
		r.loaded = stateErr == nil
	}
	h.Before = r.before
	now := time.Now()
	findings := r.runner.Examine(ctx, []Patient{{Now: now, Host: h}})[0]
	report := Report{Schema: Schema, Time: now, Nodes: []NodeReport{{Node: h.Name, Findings: findings}}}
	if ctx.Err() != nil {
		return report, stateErr // half a round is no round to compare with
	}
	next := h.next(now, findings)
	r.before = &next
	if r.options.State != "" && stateErr == nil {
		stateErr = next.Save(r.options.State)
	}
	return report, stateErr
}
