package cycle

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// Requests of single nodes join whatever run is under way, and the run is named for
// the first of them. An abort ends it for all of them, and so the record has to know
// all: otherwise the second node's request would begin a run at the next look, and
// that would take the first one's node with it, a minute after a person has said
// enough. The annotations stay on the Nodes, they are not tidemill's; what is kept
// is a hash of each, with the abort in it, so that another abort, another value or
// another machine makes it a request again.

// maxAbortedNodes bounds the record; each is 16 letters.
const maxAbortedNodes = 2000

// abortedKey is how the record knows a node's request, "" if no abort stands.
func (d *decision) abortedKey(n *world.Node) string {
	abort := d.annotation(v1alpha1.AnnotationAbort)
	if n.Object == nil || abort == "" {
		return ""
	}
	value, asked := n.Object.Annotations[v1alpha1.AnnotationCycle]
	if !asked {
		return ""
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%s", abort, n.Object.UID, value)
	return fmt.Sprintf("%016x", h.Sum64())
}

// abortedNode is whether the node's request was ended by the abort that stands.
func (d *decision) abortedNode(n *world.Node) bool {
	last := d.pool.Object.Status.LastCycle
	if last == nil || len(last.AbortedNodes) == 0 {
		return false
	}
	return slices.Contains(last.AbortedNodes, d.abortedKey(n))
}

// keepAborted writes into the record which requests of nodes are not to be taken up
// again: those that were not before, and, if an abort has ended a run for single
// nodes just now, all that there are.
func (d *decision) keepAborted(last *v1alpha1.LastCycleStatus, now bool) {
	for _, n := range d.pool.Nodes {
		key := d.abortedKey(n)
		if key != "" && (now || d.abortedNode(n)) && len(last.AbortedNodes) < maxAbortedNodes {
			last.AbortedNodes = append(last.AbortedNodes, key)
		}
	}
	slices.Sort(last.AbortedNodes)
}
