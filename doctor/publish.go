package doctor

import (
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// Publication is a verdict that is to be written on its Node.
type Publication struct {
	Node      *world.Node
	Condition corev1.NodeCondition
	// Was is what stood there; "" when nothing did.
	Was corev1.ConditionStatus
	// Heartbeat is set when nothing has changed but the time.
	Heartbeat bool
}

// heartbeatsPerLook bounds the writes that tell nothing new: 2,000 nodes that
// were first examined in one look must not be written in one look for ever.
const heartbeatsPerLook = 250

// publications says which verdicts must be written, changes first, and from
// which nodes the condition must be taken because nobody asks for it any more.
func publications(s *world.Snapshot, cases []Case, policy Policy) (writes []Publication, drops []*world.Node) {
	var beats []Publication
	for _, c := range cases {
		n := c.Patient.Node
		stands := n.Condition(v1alpha1.NodeConditionProblem)
		if !optedIn(c.Patient.Pool) {
			// An unanswered cloud has lost no pool, and a pool that cannot be found
			// for it keeps its verdicts.
			if stands != nil && s.CloudErr == nil {
				drops = append(drops, n)
			}
			continue
		}
		if c.Verdict.Status == "" {
			continue
		}
		w := Publication{Node: n, Condition: corev1.NodeCondition{Type: v1alpha1.NodeConditionProblem,
			Status: c.Verdict.Status, Reason: c.Verdict.Reason, Message: c.Verdict.Message}}
		if stands != nil {
			w.Was = stands.Status
			w.Heartbeat = stands.Status == c.Verdict.Status && stands.Reason == c.Verdict.Reason && stands.Message == c.Verdict.Message
		}
		switch {
		case !w.Heartbeat:
			writes = append(writes, w)
		case s.Now.Sub(stands.LastHeartbeatTime.Time) >= policy.Heartbeat:
			beats = append(beats, w)
		}
	}
	sort.SliceStable(beats, func(i, j int) bool { return beat(beats[i]).Before(beat(beats[j])) })
	return append(writes, beats[:min(len(beats), heartbeatsPerLook)]...), drops
}

func beat(p Publication) time.Time {
	return p.Node.Condition(v1alpha1.NodeConditionProblem).LastHeartbeatTime.Time
}

// optedIn is whether the user lets any verb act on the pool: all of them need
// the gate, and a pool that nobody acts on gets no marks.
func optedIn(p *world.Pool) bool {
	return p != nil && (p.ScaleSpec() != nil || p.CycleSpec() != nil || p.RepairSpec() != nil)
}
