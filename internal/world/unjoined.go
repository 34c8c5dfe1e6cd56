package world

import (
	"cmp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Since when a machine is watched is known to the process that watches it, and where
// leaders live shorter than a machine may take to join, nobody would ever have waited
// long enough for one that never comes. So what has not come when most have is put on
// record in the Pool's status, from where the next leader goes on to wait:
//
//	made ──── 10 minutes, by the cloud's word ────► on record ──── the time to join ────► given up
//	                                                    └── leader after leader, one clock ──┘
//
// Machines that join in time, which is nearly all, cost no write. The record shortens the
// watch and nothing else: a machine is given up when it is old enough by the cloud's word,
// too.

const (
	// unjoinedAfter is the age at which a machine is noted, or half of the pool's
	// joinTimeout if that is less.
	unjoinedAfter = 10 * time.Minute
	// maxUnjoined bounds the record; the next one follows when one of them is given up.
	maxUnjoined = 10
)

// Unjoined is the record of the pool's machines that are no Ready nodes yet and might have
// been. Those that were on it stay as long as that is so.
func (p *Pool) Unjoined(now time.Time) []v1alpha1.UnjoinedMachine {
	after := unjoinedAfter
	if c := p.CycleSpec(); c != nil && c.JoinTimeout != nil && c.JoinTimeout.Duration > 0 {
		after = min(after, c.JoinTimeout.Duration/2)
	}
	var out []v1alpha1.UnjoinedMachine
	for _, n := range p.Nodes {
		if !n.joining() || n.Created().IsZero() || now.Sub(n.Created()) < after {
			continue
		}
		since := p.noted(n)
		if since.IsZero() || since.After(now) {
			since = now
		}
		out = append(out, v1alpha1.UnjoinedMachine{ID: string(n.ID()), Since: metav1.NewTime(since.Truncate(time.Second))})
	}
	slices.SortFunc(out, func(a, b v1alpha1.UnjoinedMachine) int {
		return cmp.Or(a.Since.Compare(b.Since.Time), strings.Compare(a.ID, b.ID))
	})
	return out[:min(len(out), maxUnjoined)]
}

// joining is whether the machine is to become a Ready node and is none yet.
func (n *Node) joining() bool {
	s := n.Stage()
	return n.Instance != nil && !n.ID().Placeholder() && (s == StageLaunching || s == StageJoining)
}

// noted is since when the machine is on record as not joined; zero if it is not.
func (p *Pool) noted(n *Node) time.Time {
	if p.Object == nil {
		return time.Time{}
	}
	for _, m := range p.Object.Status.Unjoined {
		if m.ID == string(n.ID()) {
			return m.Since.Time
		}
	}
	return time.Time{}
}

// Awaited is since when the machine, which is no Ready node, is on record as one that is
// waited for; zero if it is not. No record makes a machine older than the cloud says.
func (p *Pool) Awaited(n *Node) time.Time {
	at := p.noted(n)
	if at.IsZero() || !n.joining() {
		return time.Time{}
	}
	if made := n.Created(); at.Before(made) {
		return made
	}
	return at
}
