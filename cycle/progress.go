package cycle

import (
	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// progress brings the record's counts up to date. What was replaced is the difference to
// what there was, not a counter that a crash could miss.
//
// A node may be out of sight for a look: a replica of OKE that lags does not list it, or
// its machine is FAILED for a moment. It counts as replaced then, and when it is there
// again it would count twice, and a canary of two would have gone after one. So where there
// are more stale nodes than before, those that nothing accounts for were not replaced. The
// others have become stale since: the pool's release was edited, or they were asked for.
//
// And what one look alone has found replaced is unconfirmed until the next: it is told,
// and nothing goes on by it.
func (d *decision) progress(run *v1alpha1.CycleStatus, left []stale, aborted bool) {
	gone := run.Stale - int32(len(left))
	run.Stale, run.Unconfirmed = int32(len(left)), 0
	if run.Machines > 0 { // one was out of sight when the run began
		run.Machines = max(run.Machines, d.older(run, left))
	}
	switch {
	case aborted:
	case gone > 0:
		run.Replaced += gone
		run.Unconfirmed = gone
	case gone < 0:
		run.Replaced -= min(-gone, max(run.Replaced-d.accounted(run, left), 0))
	}
}

// confirmed is how many nodes two looks have found replaced.
func confirmed(run *v1alpha1.CycleStatus) int { return int(max(run.Replaced-run.Unconfirmed, 0)) }

// accounted is the most nodes that can have been replaced, by what is there now: those
// that had a new boot volume, and as many as are missing of the machines that there were
// when the run began. Those never become more, so one that is out of sight, or that an old
// list shows again, is none the less counted right when it is seen as it is; how many
// machines the run or scaling has made beside does not matter. Where nodes stay as they
// are and are restarted nothing tells, and all of the others may have been.
//
// A record of an older version has no number of machines: there it is those that came to be
// in the run and are not what it has surged by.
func (d *decision) accounted(run *v1alpha1.CycleStatus, left []stale) int32 {
	restarts := strategyOf(d.pool.CycleSpec(), run) == v1alpha1.StrategyInPlace
	made, renewed := 0, 0
	for n, todo := range d.there(left) {
		switch {
		case todo:
		case d.born(n, run):
			made++
		case restarts || broughtBack(n, run):
			renewed++
		}
	}
	if run.Machines > 0 {
		return int32(renewed) + max(run.Machines-d.older(run, left), 0)
	}
	return int32(renewed + max(made-max(d.pool.Cloud.Size-int(run.Desired), 0), 0))
}

// older is how many machines of before the run are there.
func (d *decision) older(run *v1alpha1.CycleStatus, left []stale) int32 {
	count := int32(0)
	for n := range d.there(left) {
		if !d.born(n, run) {
			count++
		}
	}
	return count
}

// there are the machines that stand, and whether each is still to be replaced. One
// that goes away is there until it has gone if it is to be replaced, and else is not: it
// goes for another reason.
func (d *decision) there(left []stale) map[*world.Node]bool {
	out := map[*world.Node]bool{}
	for _, n := range d.pool.Nodes {
		if machine(n) && !goingAway(n) {
			out[n] = false
		}
	}
	for _, n := range left {
		if machine(n.Node) {
			out[n.Node] = true
		}
	}
	return out
}
