package cycle

import (
	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// unheard is a pool whose cloud does not answer. Old data may hide that a node is all
// there is, so nothing is begun and nobody is asked to leave. But an outage of the
// cloud may last for hours, no pool can grow in it, and a node that is being emptied
// is room that the pods then lack: when its drain has run out of time, it is given
// back as it would be in any other hour. That takes nothing from anybody, and no
// answer of the cloud is needed for it.
//
// What stays cordoned: nodes that are empty, since their machines may be on their way
// out by a request whose answer was lost; those that have to be repaired, which are no
// room; and all of a pool that is paused, or where a drain is never given up.
//
// A process that began in the outage has never heard of the pool: its nodes are then
// those that Kubernetes tells of, see [world.Orphan].
func (d *decision) unheard(message string) {
	d.wait(CloudUnavailable, message)
	if d.pool.Object == nil || d.pool.Paused() {
		return
	}
	for _, n := range d.pool.Nodes {
		if returnable(n) && n.Mark.Acted == nil && n.Mark.Cause != kube.CauseRepair && d.overdue(n) && d.onTimeout(n) == v1alpha1.DrainSkip {
			d.skip(n, CloudUnavailable, "its drain is over time, and the cloud does not answer")
		}
	}
}

// returnable is whether the node is being emptied and would be room for pods again. Where the
// cloud has named no machine for it, its kubelet has to say that there is one.
func returnable(n *world.Node) bool {
	if n.Object == nil || n.Mark == nil || n.MarkErr != nil || n.Mark.Drained != nil {
		return false
	}
	return !goingAway(n) || n.Instance == nil && n.Ready()
}

// overdue is timedOut also of a node that was cordoned and not drained yet.
func (d *decision) overdue(n *world.Node) bool {
	since := n.Mark.Since
	if n.Mark.DrainStarted != nil {
		since = *n.Mark.DrainStarted
	}
	return d.s.Now.Sub(since) >= d.patience(n)
}
