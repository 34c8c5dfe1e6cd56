package cycle

import (
	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// keep holds a cluster-autoscaler beside tidemill off the pool's nodes while
// there is something to replace: it would take the surge nodes, idle as they
// are, as fast as they come. Its scale-ups pass. In a pool that tidemill scales
// itself there is nobody to hold off.
func (d *decision) keep(todo []stale, aborted bool) {
	want := len(todo) > 0 && !aborted && d.pool.ScaleSpec() == nil
	count, busy := 0, map[string]bool{}
	for _, s := range d.steps {
		busy[s.Node] = true // two writes of a Node from one look are in each other's way
	}
	for _, n := range d.pool.Nodes {
		if n.Object == nil || goingAway(n) || busy[n.Name()] || count == maxTaintsPerTick {
			continue
		}
		switch kept := kept(n); {
		case want && !kept && n.Object.Annotations[v1alpha1.AnnotationScaleDownDisabled] != "true":
			d.do(nodeStep(Keep, n))
			count++
		case !want && kept:
			s := nodeStep(Forget, n)
			s.Keep = true // without the note of a new boot volume the node would be stale again
			d.do(s)
			count++
		}
	}
}

// forget takes the last notes off when the run's record goes. What a process
// that dies in between leaves is found without a run, and taken off then.
func (d *decision) forget() {
	count := 0
	for _, n := range d.pool.Nodes {
		if n.Object != nil && d.carries(n) && !goingAway(n) && count < maxTaintsPerTick {
			d.do(nodeStep(Forget, n))
			count++
		}
	}
}

// carries is whether the node has a mark of a run beside its disruption and its
// taint.
func carries(n *world.Node) bool {
	_, skipped := skippedUntil(n)
	return kept(n) || skipped
}

// kept is whether a cluster-autoscaler is held off the node for a run.
func kept(n *world.Node) bool {
	_, is := n.Object.Annotations[v1alpha1.AnnotationScaleDownKept]
	return is
}

// carries is whether the node has a note that has no more use: the time until
// which it was to be left alone counts in a run, and without one as long as it has
// not passed.
func (d *decision) carries(n *world.Node) bool {
	until, skipped := d.leftAlone(n)
	return kept(n) || skipped && (d.pool.Run() != nil || d.s.Now.After(until))
}
