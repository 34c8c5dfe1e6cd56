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
// are more stale nodes than before, those that nothing stands for were not replaced. The
// others have become stale since: the pool's release was edited, or they were asked for.
func (d *decision) progress(run *v1alpha1.CycleStatus, left []stale, aborted bool) {
	gone := run.Stale - int32(len(left))
	run.Stale = int32(len(left))
	switch {
	case aborted:
	case gone > 0:
		run.Replaced += gone
	case gone < 0:
		run.Replaced -= min(-gone, max(run.Replaced-d.replacements(run, left), 0))
	}
}

// replacements is the number of nodes of which some may stand for nodes that were
// replaced: those that came to be in the run and are not what it has surged by, and those
// that it had renewed. Where nodes stay as they are and are restarted nothing tells, and
// all of the others may have been.
func (d *decision) replacements(run *v1alpha1.CycleStatus, left []stale) int32 {
	todo := map[*world.Node]bool{}
	for _, n := range left {
		todo[n.Node] = true
	}
	restarts := strategyOf(d.pool.CycleSpec(), run) == v1alpha1.StrategyInPlace
	made, renewed := 0, 0
	for _, n := range d.pool.Nodes {
		switch {
		case !machine(n) || goingAway(n) || todo[n]:
		case d.born(n, run):
			made++
		case restarts || broughtBack(n, run):
			renewed++
		}
	}
	return int32(renewed + max(made-max(d.pool.Cloud.Size-int(run.Desired), 0), 0))
}
