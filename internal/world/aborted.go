package world

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Requests of single nodes join whatever run is under way, and the run is named for
// the first of them. An abort ends it for all of them, and so the record has to know
// all: otherwise the second node's request would begin a run at the next look, and
// that would take the first one's node with it, a minute after a person has said
// enough. The annotations stay on the Nodes, they are not tidemill's; what is kept
// is a hash of each, with the abort in it, so that another abort, another value or
// another machine makes it a request again.

// AbortKey is how the record knows a node's request, 16 letters, "" if the node has
// none or no abort stands.
func (p *Pool) AbortKey(n *Node) string {
	if p.Object == nil || n.Object == nil {
		return ""
	}
	abort := p.Object.Annotations[v1alpha1.AnnotationAbort]
	value, asked := n.Object.Annotations[v1alpha1.AnnotationCycle]
	if abort == "" || !asked {
		return ""
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%s", abort, n.Object.UID, value)
	return fmt.Sprintf("%016x", h.Sum64())
}

// Aborted is whether the node's request was ended by the abort that stands: it is on
// the Node still, and nobody takes it up again.
func (p *Pool) Aborted(n *Node) bool {
	if p.Object == nil || p.Object.Status.LastCycle == nil {
		return false
	}
	key := p.AbortKey(n)
	return key != "" && slices.Contains(p.Object.Status.LastCycle.AbortedNodes, key)
}
