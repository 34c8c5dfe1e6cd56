package cycle

import "github.com/tidemill/tidemill/api/v1alpha1"

// A size that is typed into a console between two leaders is seen by the second if no
// order of the run explains it. So the record has between which sizes the run has moved
// the pool, written before the order that goes further:
//
//	size   greatest ─────────────────  beyond it: somebody's
//	          ▲  surge
//	       desired   what lies between may be the run's own
//	          ▼  deletions
//	       least ────────────────────  below it: somebody's
//
// Both only ever grow apart, since the cloud may tell a size late.

// reached are the sizes of a run that begins.
type reached struct{ desired, greatest, least int }

// reach notes in the run's record how large the pool has been or is to be. A record
// without it was begun by an older version, which has surged without saying so.
func reach(run *v1alpha1.CycleStatus, size int) {
	if run.Greatest > 0 {
		run.Greatest = max(run.Greatest, int32(size))
	}
}

// sink notes in the run's record how small the pool may become by what is ordered now.
// From what the process has led the size to itself that is known; what another one has
// ordered may not show yet, and then its record is what the size may be.
func (d *decision) sink(run *v1alpha1.CycleStatus) {
	deletes, low := 0, d.pool.Cloud.Size
	for _, s := range d.steps {
		switch s.Kind {
		case DeleteInstance:
			deletes++
		case TakeBack:
			low = min(low, s.To)
		}
	}
	if run.Least == 0 || deletes == 0 && low == d.pool.Cloud.Size {
		return
	}
	s, known := d.policy.Sizes[d.pool.Cloud.ID]
	if known && !s.AtMost && !s.AtLeast {
		low = min(low, s.Expected-s.Slack)
	} else {
		low = min(low, int(run.Least))
	}
	run.Least = max(min(run.Least, int32(low-deletes)), 0)
}
