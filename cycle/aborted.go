package cycle

import (
	"slices"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// maxAbortedNodes bounds the record of requests that an abort has ended.
const maxAbortedNodes = 2000

// keepAborted writes into the record which requests of nodes are not to be taken up
// again: those that were not before, and, if an abort has ended a run for single
// nodes just now, all that there are. See [world.Pool.Aborted].
func (d *decision) keepAborted(last *v1alpha1.LastCycleStatus, now bool) {
	for _, n := range d.pool.Nodes {
		key := d.pool.AbortKey(n)
		if key != "" && (now || d.pool.Aborted(n)) && len(last.AbortedNodes) < maxAbortedNodes {
			last.AbortedNodes = append(last.AbortedNodes, key)
		}
	}
	slices.Sort(last.AbortedNodes)
}
