package doctor

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// flapWindow is the time over which a node's drops are counted.
const flapWindow = time.Hour

var flapLimits = Limits{Warn: 3,
	Source: "three in an hour; node-problem-detector takes five kubelet restarts in 20 minutes"}

var flapping = Check{
	ID:     "flapping",
	Title:  "the node does not keep dropping out",
	Unit:   "drops",
	Limits: flapLimits,
	// The API keeps the last transition only; the count is this process' memory,
	// lost with it, and its window outlasts the fault by an hour. Both speak
	// against more than a warning.
	Evidence: EvidenceCounter,
	Remedy:   "look at the node's memory and disk latency, and at the kubelet's restarts",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		c := p.Node.Condition(corev1.NodeReady)
		s, watched := p.Look.History.of(p.Node.Object.UID)
		switch {
		case c == nil:
			return unknown(ReasonNotFound, "the node has no Ready condition")
		case p.Now.Sub(p.Node.ReadySince()) > flapWindow:
			return pass("0 drops")
		case !watched:
			return skip("NoHistory", "drops are counted by the daemon; one look sees only the last change")
		}
		f := Finding{State: judge(flapLimits, float64(len(s.drops))), Observed: quantity(float64(len(s.drops)), "drops")}
		switch {
		case f.State != Pass:
			f.Reason = "ReadyFlapping"
			f.Message = fmt.Sprintf("Ready was lost %d times within %s, last at %s", len(s.drops), flapWindow, clock(s.drops[len(s.drops)-1]))
		case p.Now.Sub(s.since) < flapWindow && s.since.Sub(p.Node.Created()) > flapWindow:
			return unknown("WatchedTooShort", "the node is watched since "+clock(s.since))
		}
		return f
	},
}
