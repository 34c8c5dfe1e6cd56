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

// NodeRequest is how a run is named that the request of a node has begun, whose
// annotation tidemill.dev/cycle has this value.
func NodeRequest(n *Node, value string) string {
	return fmt.Sprintf("node/%s:%s=%s", n.Name(), v1alpha1.AnnotationCycle, value)
}

// Aborted is whether the node's request was ended by the abort that stands: it is on
// the Node still, or again, and nobody takes it up.
func (p *Pool) Aborted(n *Node) bool {
	key := p.AbortKey(n)
	if key == "" || p.Object.Status.LastCycle == nil {
		return false
	}
	return slices.Contains(p.Object.Status.LastCycle.AbortedNodes, key) || p.abortedByName(n)
}

// abortedByName is whether the run that the abort has ended was named for the node's
// request. That one is not among the hashes if it was taken back before the run had
// ended, as the doctor does when a brake closes; he asks again in the same words, and
// whoever waits for the answer has to learn that none will come. A Node that was made
// later only has the name of the other.
func (p *Pool) abortedByName(n *Node) bool {
	last := p.Object.Status.LastCycle
	return last.AbortSeen == p.Object.Annotations[v1alpha1.AnnotationAbort] &&
		last.Request == NodeRequest(n, n.Object.Annotations[v1alpha1.AnnotationCycle]) &&
		!n.Object.CreationTimestamp.After(last.FinishedAt.Time)
}
