package cycle

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// The size that a pool is to have stands, during a run, in the run's record only: the
// node pool's own has the surge in it. Whoever wipes the Pool's status, by a restore or a
// tool that applies it, takes that away, and a run that begins anew would take the surge
// for what the pool had. Nobody but tidemill ends a run, so a record that this process
// has not ended and that is gone all the same is written again:
//
//	record of a run ──► gone, not by us ──► as it stood at the last look
//
// Of a wipe before the first look of a process nothing is known any more.

// ledger is what this process last read of a Pool's records.
type ledger struct {
	pool types.UID
	run  *v1alpha1.CycleStatus
	last *v1alpha1.LastCycleStatus
	// ended is the run that was ended here: an old copy of the Pool shows it again.
	ended runKey
}

// runKey tells one run from another.
type runKey struct{ request, began string }

func keyOf(run *v1alpha1.CycleStatus) runKey {
	if run == nil {
		return runKey{}
	}
	return runKey{run.Request, run.StartedAt.UTC().Format("2006-01-02T15:04:05Z")}
}

// read takes in a Pool and says whether the record of its run was wiped. A Pool that was
// deleted and made anew is another one.
func (b *ledger) read(p *v1alpha1.Pool) (wiped bool) {
	if b.pool != p.UID {
		*b = ledger{pool: p.UID}
	}
	run, last := p.Status.Cycle, p.Status.LastCycle
	switch {
	case run != nil && keyOf(run) != b.ended:
		b.run, b.last = run.DeepCopy(), last.DeepCopy()
	case run != nil:
		b.run = nil
	case b.run != nil:
		// By another leader, be it this run or one that came after it.
		ended := last != nil && !last.StartedAt.Before(&b.run.StartedAt)
		if ended {
			b.run = nil
		}
		return !ended
	}
	return false
}

// end notes that a run is ended by what is written now, whatever becomes of the answer.
func (b *ledger) end(run *v1alpha1.CycleStatus) { b.ended, b.run = keyOf(run), nil }

// mend writes the records again that were wiped. Those pools have no turn: what is
// decided without the record is wrong.
func (l *Loop) mend(ctx context.Context, s *world.Snapshot) map[cloudprovider.PoolID]bool {
	wiped := map[cloudprovider.PoolID]bool{}
	for _, p := range s.Pools {
		if p.Object == nil {
			continue
		}
		b := &l.knownOf(p.Cloud.ID).ledger
		if !b.read(p.Object) {
			continue
		}
		wiped[p.Cloud.ID] = true
		part := kube.CyclePart{Cycle: b.run.DeepCopy(), LastCycle: p.Object.Status.LastCycle.DeepCopy()}
		if part.LastCycle == nil {
			part.LastCycle = b.last.DeepCopy()
		}
		err := kube.ApplyPoolStatus(ctx, l.Client, p.Object, v1alpha1.OwnerCycle, &part, true)
		l.log().Warn("cycle: the record of a run was gone and is written again", "pool", p.Name, "request", b.run.Request, "desired", b.run.Desired, "err", err)
	}
	return wiped
}
