package doctor

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// Brake says whether repair of a pool is stopped for a common cause, with the
// numbers it was decided on.
//
//	sign seen ──► closed ──► sign gone ──► closed for hold more ──► open
//	                ▲                          │
//	                └──── any sign again ◄─────┘
//
// It closes at once and opens late: after a disturbance nodes come back one by
// one, and whoever repairs then shoots the half that has not arrived yet. The
// last sign stands on the Pool, so that a restart does not open it.
type Brake struct {
	Pool   *world.Pool
	Closed bool
	Reason BrakeReason
	// Message has the arithmetic, also when the brake is open.
	Message string
	// LastSign is when the sign was last seen; zero when the brake is open, or
	// when it closes for as long as the sign is there and no longer.
	LastSign time.Time
	// Sign is what the sign said, without the time that is added while the brake
	// waits for calm.
	Sign string
	// held is the reason of LastSign where it is not Reason.
	held BrakeReason
}

// BrakeReason is the reason of the Pool's condition Braked.
type BrakeReason string

const (
	// BrakeOpen: repair may go on.
	BrakeOpen BrakeReason = "NoCommonCause"
	// BrakeCloud: the cloud does not answer, or not for this pool.
	BrakeCloud BrakeReason = "CloudUnreachable"
	// BrakeBlind: several of the latest looks could not see the cluster.
	BrakeBlind BrakeReason = "ViewUnreliable"
	// BrakeTooManyBroken: more nodes of the pool fail than maxBroken.
	BrakeTooManyBroken BrakeReason = "TooManyBroken"
	// BrakeCluster: more nodes of the cluster fail than maxBrokenInCluster.
	BrakeCluster BrakeReason = "TooManyBrokenInCluster"
	// BrakeZone: so much of a zone fails that the zone is taken for lost.
	BrakeZone BrakeReason = "ZoneLost"
	// BrakeSameFault: one check began to fail on several nodes within minutes.
	BrakeSameFault BrakeReason = "SameFault"
	// BrakeNotJoining: machines of the pool do not become nodes, so a
	// replacement would not either.
	BrakeNotJoining BrakeReason = "NewNodesNotJoining"
	// BrakeNoHelp: a replacement fails as the node did that it replaced.
	BrakeNoHelp BrakeReason = "ReplacementFails"
)

// brakesOf decides on every pool whose repair is on, in order of the snapshot.
func brakesOf(s *world.Snapshot, cases []Case, sight Sight, policy Policy) []Brake {
	byPool := map[*world.Pool][]Case{}
	for _, c := range cases {
		byPool[c.Patient.Pool] = append(byPool[c.Patient.Pool], c)
	}
	var out []Brake
	for _, pool := range s.Pools {
		if pool.RepairSpec() == nil {
			continue
		}
		w := triage{s: s, pool: pool, own: byPool[pool], all: cases, sight: sight, limits: limitsOf(pool), policy: policy}
		out = append(out, w.brake())
	}
	return out
}

// unbrake finds the Pools on which the doctor's record was left when their
// repair was switched off.
func unbrake(s *world.Snapshot) []*v1alpha1.Pool {
	var out []*v1alpha1.Pool
	for _, pool := range s.Pools {
		if pool.Object == nil || pool.RepairSpec() != nil {
			continue
		}
		status := pool.Object.Status
		braked := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionBraked)
		if status.Repair != nil || braked != nil && ownBrake(BrakeReason(braked.Reason)) {
			out = append(out, pool.Object)
		}
	}
	return out
}

// ownBrake is whether the reason is one of the doctor's: the cycle has a brake
// of its own on the same condition.
func ownBrake(r BrakeReason) bool {
	switch r {
	case BrakeOpen, BrakeCloud, BrakeBlind, BrakeTooManyBroken, BrakeCluster, BrakeZone, BrakeSameFault, BrakeNotJoining, BrakeNoHelp:
		return true
	}
	return false
}

// brake is closed by the sign that was seen last, the first of those that stand
// now, until calm has lasted.
func (w triage) brake() Brake {
	if b, ok := w.unseeing(); ok {
		return b
	}
	var last sign
	if r := w.record(); r != nil {
		last = sign{true, BrakeReason(r.Reason), r.Message, r.LastSign.Time}
	}
	for _, sign := range w.signs() {
		if sign.seen && (!last.seen || sign.at.After(last.at)) {
			last = sign
		}
	}
	switch {
	case last.seen && !last.at.Before(w.s.Now):
		return Brake{Pool: w.pool, Closed: true, Reason: last.reason, Message: shorten(last.message), LastSign: last.at, Sign: last.message}
	case last.seen && w.s.Now.Before(last.at.Add(w.limits.hold)):
		return w.holding(last)
	}
	return Brake{Pool: w.pool, Reason: BrakeOpen, Message: shorten(w.tooMany().message)}
}

// record is the last sign as it stands on the Pool, nil if none does.
func (w triage) record() *v1alpha1.BrakeRecord {
	if r := w.pool.Object.Status.Repair; r != nil {
		return r.Brake
	}
	return nil
}

// holding is a brake that waits for calm to have lasted.
func (w triage) holding(last sign) Brake {
	message := fmt.Sprintf("calm since %s, opens at %s: %s", clock(last.at), clock(last.at.Add(w.limits.hold)), last.message)
	return Brake{Pool: w.pool, Closed: true, Reason: last.reason, Message: shorten(message), LastSign: last.at, Sign: last.message}
}

// unseeing is the brake while nothing can be known. It says nothing of the
// nodes, so it needs no calm afterwards.
func (w triage) unseeing() (Brake, bool) {
	closed := func(r BrakeReason, message string) (Brake, bool) {
		b := Brake{Pool: w.pool, Closed: true, Reason: r, Message: shorten(message)}
		if old := w.record(); old != nil { // what was seen before stays on record
			b.LastSign, b.Sign = old.LastSign.Time, old.Message
			b.held = BrakeReason(old.Reason)
		}
		return b, true
	}
	if w.s.CloudErr != nil {
		return closed(BrakeCloud, fmt.Sprintf("the cloud does not answer since %s", clock(w.s.CloudObserved)))
	}
	if w.pool.Cloud.Health.Err != nil {
		return closed(BrakeCloud, fmt.Sprintf("the node pool cannot be read since %s", clock(w.pool.Cloud.Health.Observed)))
	}
	blind := w.sight.blindSince(w.s.Now.Add(-w.policy.BlindWindow))
	if len(blind) >= w.policy.BlindLooks {
		return closed(BrakeBlind, fmt.Sprintf("%d looks within %s could not see the cluster, the last at %s; at most %d",
			len(blind), w.policy.BlindWindow, clock(blind[len(blind)-1]), w.policy.BlindLooks-1))
	}
	return Brake{}, false
}
