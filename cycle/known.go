package cycle

import (
	"errors"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// known is what this process has learned of a pool by its own calls and could
// not read anywhere. Losing it costs a question that is asked again, or the
// notice of an edit that fell into the very moment of a restart and stays within
// what the run had asked for itself.
type known struct {
	refused map[Kind]refused
	// unasked is why OKE has not begun to cycle the pool when it was asked last, if it
	// has said so; losing it costs a longer pause.
	unasked string
	// expected is the size that own writes have led to, and sure whether it is known.
	expected int
	sure     bool
	// before is what it was until the last order of a size, given at ordered; also of one
	// that failed, unless another was carried out a moment before.
	before  int
	ordered time.Time
	// desired is the run's desired size at the last look, and raised by how much
	// others have raised it without the pool's size having followed yet.
	desired, raised int
	deletes         []time.Time
	// gone is when machines that were to be deleted here were found to be gone: the size
	// may have fallen by that, for so long as a deletion may show late.
	gone []time.Time
	// slack is by how much the size may have been smaller than what it was found to be
	// at the time since, for deletions of a process before this one, or of its own
	// whose answer was lost.
	slack int
	since time.Time
	// ledger is the run's record, for when somebody wipes it.
	ledger ledger
}

type refused struct {
	message, request string
	at               time.Time
}

// A refusal is believed for so long, and the cloud's size may lag behind a
// deletion, or behind a size that was ordered, by so much.
const (
	refusalAge = 10 * time.Minute
	deleteLag  = 5 * time.Minute
	sizeLag    = 2 * time.Minute
)

func (l *Loop) knownOf(id cloudprovider.PoolID) *known {
	k := l.known[id]
	if k == nil {
		k = &known{refused: map[Kind]refused{}}
		l.known[id] = k
	}
	return k
}

// learned puts what is known into the policy. Without its record a pool's size is not
// compared.
func (l *Loop) learned(s *world.Snapshot, p *Policy, wiped map[cloudprovider.PoolID]bool) {
	p.Refusals, p.Sizes, p.Unasked = map[cloudprovider.PoolID][]Refusal{}, map[cloudprovider.PoolID]Sizing{}, map[cloudprovider.PoolID]string{}
	there := map[cloudprovider.PoolID]bool{}
	for _, pool := range s.Pools {
		id := pool.Cloud.ID
		there[id] = true
		k := l.knownOf(id)
		if k.unasked != "" {
			p.Unasked[id] = k.unasked
		}
		for kind, r := range k.refused {
			if s.Now.Sub(r.at) > refusalAge {
				delete(k.refused, kind)
				continue
			}
			p.Refusals[id] = append(p.Refusals[id], Refusal{kind, r.message, r.request})
		}
		// These count once: no room is no refusal for good, and of a release the record
		// says it from now on, until it is asked for anew.
		delete(k.refused, Surge)
		delete(k.refused, SetRelease)
		for _, times := range []*[]time.Time{&k.deletes, &k.gone} {
			for len(*times) > 0 && s.Now.Sub((*times)[0]) > deleteLag {
				*times = (*times)[1:]
			}
		}
		if s.CloudErr != nil || pool.Cloud.Health.Err != nil || wiped[id] {
			continue // what somebody does meanwhile shows afterwards
		}
		if z, ok := k.compare(pool); ok {
			p.Sizes[id] = z
		}
	}
	for id := range l.known {
		if !there[id] {
			delete(l.known, id)
		}
	}
}

// compare is what may be expected of the pool's size, if that is known. The
// expectation is not moved to what is seen: a size that somebody has set stands out
// until a decision has taken it over and put that on record.
func (k *known) compare(pool *world.Pool) (Sizing, bool) {
	size, leaving := pool.Cloud.Size, 0
	if run := pool.Run(); run != nil && !k.sure && run.Greatest > 0 && size > int(run.Greatest) {
		// No order of the run explains it, whoever has given it: also not one whose
		// answer was lost, since what is ordered is on record before. It is not known
		// for sure until it was taken over.
		return Sizing{Expected: int(run.Greatest), Fewer: int(run.Greatest), AtMost: true}, true
	}
	if run := pool.Run(); run != nil && !k.sure && run.Least > 0 && size < int(run.Least) {
		return Sizing{Expected: int(run.Least), More: int(run.Greatest), AtLeast: true}, true
	}
	if pool.Run() != nil && !k.sure && k.lags(size) {
		return Sizing{}, false // what became of the order shows later
	}
	if run := pool.Run(); run == nil || !k.sure {
		k.expected, k.sure, k.desired, k.raised = size, true, pool.Desired(), 0
		k.slack, k.since, k.gone = 0, time.Now(), nil
		if run != nil && run.Least > 0 {
			k.slack = size - int(run.Least)
		}
		return Sizing{}, false
	}
	if len(k.deletes) == 0 && size == k.expected && time.Since(k.since) > deleteLag {
		k.slack = 0 // all that was ordered before has shown
	}
	k.raised += max(pool.Desired()-k.desired, 0)
	k.desired = pool.Desired()
	for _, n := range pool.Nodes {
		if n.Stage() == world.StageTerminating && (n.Mark != nil || n.Object == nil) {
			leaving++ // by tidemill's order, perhaps by that of a process before this one
		}
	}
	if size != k.expected && k.lags(size) {
		// Somebody may have set it back, or a replica that lags has answered. The one
		// shows in two minutes as well; the other, taken for an edit, would be undone
		// by the next, and the pool would keep what the run has ordered for itself.
		return Sizing{Expected: k.expected, More: max(size-k.expected, 0), Fewer: max(k.expected-size, 0), Slack: k.slack}, true
	}
	k.follow(pool.Run(), size)
	return Sizing{Expected: k.expected, More: len(k.deletes), Fewer: max(leaving-len(k.deletes), 0), Slack: k.slack}, true
}

// follow moves what is expected by what others have ordered for the run: scaling, which
// has raised what is desired, the leader before, if what it has ordered shows only after
// the first look of this one, and whoever has deleted what was to be deleted here.
func (k *known) follow(run *v1alpha1.CycleStatus, size int) {
	if by := min(k.expected-size, len(k.gone)); by > 0 {
		k.expected, k.gone = k.expected-by, k.gone[by:]
	}
	if size == int(run.Greatest) && size > k.expected && k.ordered.Before(k.since) && time.Since(k.since) < sizeLag {
		k.expected = size
	}
	if by := min(size-k.expected, k.raised); by > 0 {
		k.expected, k.raised = k.expected+by, k.raised-by
	}
}

// lags is whether the size may be what a replica of the cloud tells that has not heard of
// an order.
func (k *known) lags(size int) bool {
	return size == k.before && time.Since(k.ordered) < sizeLag
}

// learn notes how a step ended.
func (l *Loop) learn(s Step, err error) {
	k := l.knownOf(s.PoolID)
	switch s.Kind {
	case Surge, TakeBack:
		if err == nil || time.Since(k.ordered) >= sizeLag {
			k.before, k.ordered = k.expected, time.Now()
		}
		if err == nil {
			k.expected, k.raised = s.To, 0
		}
	case AdoptSize:
		k.expected, k.sure, k.desired, k.raised, k.slack = s.To, true, s.To, 0, 0
	case DeleteInstance:
		if errors.Is(err, errWasGone) {
			k.gone = append(k.gone, time.Now())
			return
		}
		if err == nil {
			k.expected--
			k.deletes = append(k.deletes, time.Now())
		}
	case SetRelease, Reboot, ReplaceBootVolume, Delegate, Refill:
	default:
		return
	}
	if err == nil {
		delete(k.refused, s.Kind)
		return
	}
	k.sure = k.sure && s.Kind != Surge && s.Kind != TakeBack && s.Kind != DeleteInstance
	if final(s.Kind, err) {
		k.refused[s.Kind] = refused{err.Error(), s.Request, time.Now()}
	}
}

// final is whether the same question will get the same answer.
func final(k Kind, err error) bool {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch k {
	case Surge:
		return is(cloudprovider.ErrQuota, cloudprovider.ErrNoCapacity)
	case SetRelease:
		return is(cloudprovider.ErrNotFound, cloudprovider.ErrInvalid, cloudprovider.ErrNotSupported)
	}
	return is(cloudprovider.ErrInvalid, cloudprovider.ErrNotSupported)
}
