// Package agent examines the host it lives on, round after round, and tells the
// cluster.
//
//	observe  read the host below its root            doctor.Rounds
//	decide   what has changed since it was told      worth
//	act      one condition of the own Node           doctor.PublishHost
//	record   a line of log for what changed, the report in a file for others
//	wait     until the next round
//
// It runs on every node of a cluster, so what it costs is paid thousands of
// times, and what it may do is held thousands of times. Therefore: no cache and
// no watch (one GET and one PATCH when something changed, or every five
// minutes), no discovery, a scheme of the few objects that are asked for; no
// right but to write one condition on the Node that its own token is bound to
// (manifests/overlays/doctor); and nothing on disk.
//
// The condition is a level: what heals is gone from it in the next round, and an
// agent that dies leaves a heartbeat that grows old, which the daemon takes for
// silence and not for health. It decides nothing about the node: repair weighs
// its word as one witness among others.
package agent

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/doctor"
)

// Agent is one host's.
type Agent struct {
	Rounds *doctor.Rounds
	// Every is the time from one round to the next. Default one minute.
	Every time.Duration
	// Heartbeat is how old what is told may get before it is told again. Default
	// five minutes, a third of the time after which the daemon takes it for
	// silence.
	Heartbeat time.Duration
	// Node is this host's Node; with Client nil nothing is told to anybody.
	Node   string
	Client client.Client
	// Report, if set, gets each report, for instance to write it to a file.
	Report func(doctor.Report) error
	Log    *slog.Logger

	told     string    // what the Node was last told
	toldAt   time.Time // and when
	problems []string  // what the log was last told
}

// defaults of an Agent.
const (
	every     = time.Minute
	heartbeat = 5 * time.Minute
)

// Run makes rounds until ctx ends, which is no error. A round that fails is told
// to the log, and the next one is made.
func (a *Agent) Run(ctx context.Context) error {
	wait := a.Every
	if wait <= 0 {
		wait = every
	}
	a.shed() // what starting touched, before the first round takes more
	// Agents that a rollout starts together must not all write at once.
	timer := time.NewTimer(time.Duration(rand.Int64N(int64(wait)/10 + 1)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		began := time.Now()
		a.round(ctx)
		a.shed()
		timer.Reset(max(wait-time.Since(began), wait/10))
	}
}

func (a *Agent) shed() {
	if err := shed(); err != nil {
		a.Log.Debug("memory was not given back", "error", err)
	}
}

func (a *Agent) round(ctx context.Context) {
	r, err := a.Rounds.Examine(ctx)
	if err != nil {
		a.Log.Warn("counters are not kept", "error", err)
	}
	if r.Err != "" {
		a.Log.Error("host cannot be examined", "error", r.Err)
		return
	}
	if ctx.Err() != nil {
		return // half a round tells of the end and not of the host
	}
	a.record(r)
	if a.Client == nil {
		return
	}
	if err := a.tell(ctx, r); err != nil {
		a.Log.Warn("the cluster was not told", "error", err)
	}
}

// tell writes the condition when there is news, or the heartbeat is due.
func (a *Agent) tell(ctx context.Context, r doctor.Report) error {
	beat := a.Heartbeat
	if beat <= 0 {
		beat = heartbeat
	}
	findings := r.Nodes[0].Findings
	news := worth(findings)
	if news == a.told && r.Time.Sub(a.toldAt) < beat {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := doctor.PublishHost(ctx, a.Client, a.Node, findings); err != nil {
		return err
	}
	a.told, a.toldAt = news, r.Time
	return nil
}

// worth is what of a round is worth a write: which checks fail and warn. Values
// that differ from round to round are not, nor is what could not be seen.
func worth(findings []doctor.Finding) string {
	return strings.Join(words(findings), " ")
}

func words(findings []doctor.Finding) []string {
	out := []string{"told"} // a healthy host has something to tell too
	for _, f := range findings {
		if f.State == doctor.Fail || f.State == doctor.Warn {
			out = append(out, fmt.Sprintf("%s=%s/%s", f.Check, f.State, f.Reason))
		}
	}
	return out
}

// record logs what began and what ended, once each.
func (a *Agent) record(r doctor.Report) {
	now := words(r.Nodes[0].Findings)
	for _, f := range r.Nodes[0].Findings {
		if slices.Contains(now, fmt.Sprintf("%s=%s/%s", f.Check, f.State, f.Reason)) && !slices.Contains(a.problems, fmt.Sprintf("%s=%s/%s", f.Check, f.State, f.Reason)) {
			a.Log.Warn("host has a problem", "check", f.Check, "state", f.State.String(), "reason", f.Reason, "message", f.Message, "observed", f.Observed)
		}
	}
	for _, was := range a.problems {
		if !slices.Contains(now, was) {
			a.Log.Info("host recovered", "from", was)
		}
	}
	a.problems = now
	if a.Report == nil {
		return
	}
	if err := a.Report(r); err != nil {
		a.Log.Warn("the report was not written", "error", err)
	}
}
