package world

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Aborted is the outcome of a run that somebody ended, as status.lastCycle has it.
const Aborted = "Aborted"

// Answered is whether the pool's request, an annotation and its value, was met or refused
// before, rolled back, or ended by an abort that stands. One that was aborted may be made
// again: it is open when the abort is taken off.
func (p *Pool) Answered(key, value string) bool {
	last := p.Object.Status.LastCycle
	if last == nil {
		return false
	}
	request := key + "=" + value
	switch {
	case p.Seen(request):
		return true
	case key == v1alpha1.AnnotationCycle && last.CycleSeen == value && value != "":
		return true
	case key == v1alpha1.AnnotationUpgradeTo && last.RolledBack == value && value != "":
		return true
	}
	if slices.Contains(last.Seen, TakenOffKey(request)) {
		return false
	}
	return last.Request == request && (last.Outcome != Aborted || last.AbortSeen != "" && last.AbortSeen == p.Object.Annotations[v1alpha1.AnnotationAbort])
}

// Seen is whether the request was answered before the one on record.
func (p *Pool) Seen(request string) bool {
	last := p.Object.Status.LastCycle
	if last == nil {
		return false
	}
	abort := p.Object.Annotations[v1alpha1.AnnotationAbort]
	return slices.Contains(last.Seen, SeenKey("", request)) || abort != "" && slices.Contains(last.Seen, SeenKey(abort, request))
}

// TakenOffKey is how status.lastCycle.seen knows that the request on record is not made
// any more: made once more it is a new one. A version has no other value to ask anew with.
func TakenOffKey(request string) string { return SeenKey("taken off", request) }

// SeenKey is how status.lastCycle.seen knows a request that was answered, or one that was
// ended by an abort, which asks anew when the abort is taken off. It is a hash: a request
// may be as long as an annotation.
func SeenKey(abort, request string) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", abort, request)
	return fmt.Sprintf("%016x", h.Sum64())
}
