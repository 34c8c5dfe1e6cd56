package doctor

import (
	"slices"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Sight is what earlier looks of this process lend to a decision: how well they
// saw, and how often they saw each failure. It is a value, and an empty one is
// what a restarted daemon has: that delays, and never decides.
type Sight struct {
	// Blind are the times of looks that could not see the cluster, oldest first.
	Blind []time.Time
	// Seen counts the looks in a row that saw a check fail on a patient.
	Seen map[Failure]Confirmation
}

// Failure is one check failing on one patient.
type Failure struct{ Patient, Check string }

// Confirmation is how often a failure was seen without a break.
type Confirmation struct {
	Looks int
	Last  time.Time
}

// confirmations is how many looks make a failure certain; three, as
// self-node-remediation and many probes ask.
const confirmations = 3

// confirmEvery keeps a burst of looks from confirming what one moment shows.
const confirmEvery = 5 * time.Second

// maxBlind bounds what is remembered of blindness.
const maxBlind = 32

// Blind notes a look that could not see the cluster.
func (h *History) Blind(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sight.Blind = append(h.sight.Blind, at)
	h.sight.Blind = h.sight.Blind[max(len(h.sight.Blind)-maxBlind, 0):]
}

// Confirm counts the failures of a look and gives what is known now. A failure
// that was not seen begins anew; one that could not be looked for keeps its
// count.
func (h *History) Confirm(cases []Case) Sight {
	if h == nil {
		return Sight{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[Failure]Confirmation{}
	for _, c := range cases {
		for _, f := range c.Findings {
			k := Failure{c.Patient.key(), f.Check}
			was := h.sight.Seen[k]
			switch {
			case f.State == Unknown && was.Looks > 0:
				seen[k] = was
			case f.State == Fail && c.Patient.Now.Sub(was.Last) >= confirmEvery:
				seen[k] = Confirmation{was.Looks + 1, c.Patient.Now}
			case f.State == Fail:
				seen[k] = was
			}
		}
	}
	h.sight.Seen = seen
	return Sight{Blind: slices.Clone(h.sight.Blind), Seen: seen}
}

// blindSince are the blind looks after a time.
func (s Sight) blindSince(t time.Time) []time.Time {
	for i, at := range s.Blind {
		if at.After(t) {
			return s.Blind[i:]
		}
	}
	return nil
}

// confirmed is whether a failure was seen often enough: by this process, or as
// the Node shows it. There a first look wrote the verdict, a later one, at least
// a heartbeat after it, wrote it again, and this look sees it now.
func (s Sight) confirmed(c Case, f Finding, policy Policy) bool {
	if s.Seen[Failure{c.Patient.key(), f.Check}].Looks >= confirmations {
		return true
	}
	stands := c.Patient.Node.Condition(v1alpha1.NodeConditionProblem)
	return stands != nil && condemnedAt(c).Before(c.Patient.Now) && stands.Reason == Camel(f.Check) &&
		stands.LastHeartbeatTime.Sub(stands.LastTransitionTime.Time) >= policy.Heartbeat
}
