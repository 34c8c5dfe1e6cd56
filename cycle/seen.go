package cycle

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// A pool's annotations stay when they have been answered, and the record has room for
// one answer. So it knows the others too, as long as they stand:
//
//	rollback=1  Succeeded ─┐
//	upgrade-to=v1.34.2 ────┴► the record is the upgrade's, and rollback=1 is seen
//
// Without that an old rollback would take back each newer upgrade, and two requests
// that cannot be met would be refused in turn at every look. What is kept of each is a
// hash: a request may be as long as an annotation.

// refusedKey is how the record knows a request of mode Auto that was refused. Nobody takes
// such a request back or makes it anew, so it stays refused for what it was about: what
// the pool gives new nodes, which is in the request, and how it is to be turned over.
func (d *decision) refusedKey(request string) string {
	spec, _ := json.Marshal(d.pool.CycleSpec()) // of an object that was read as JSON
	return world.SeenKey("refused with "+string(spec), request)
}

// takenOff notes that a version is not asked for any more, so that it may be asked for
// again: what it was refused for may be mended, and what was rolled back may be tried
// once more. A turn-over and a rollback are asked for anew by another value.
func (d *decision) takenOff() {
	last := d.report.Last
	if last == nil {
		return
	}
	to, there := d.pool.Object.Annotations[v1alpha1.AnnotationUpgradeTo]
	if !there || to != last.RolledBack {
		last.RolledBack = ""
	}
	key, value, _ := strings.Cut(last.Request, "=")
	mark := world.TakenOffKey(last.Request)
	if key == v1alpha1.AnnotationUpgradeTo && (!there || to != value) && !slices.Contains(last.Seen, mark) {
		last.Seen = append(last.Seen, mark)
	}
}

// standing are the requests that the pool makes at the moment, answered or not.
func (d *decision) standing() []string {
	var out []string
	for _, key := range []string{v1alpha1.AnnotationRollback, v1alpha1.AnnotationUpgradeTo, v1alpha1.AnnotationCycle} {
		if value, ok := d.pool.Object.Annotations[key]; ok {
			out = append(out, key+"="+value)
		}
	}
	return append(out, driftRequest+target(d.pool.Cloud))
}

// keepSeen carries over what was answered and stands still. What mode Auto was refused
// outlasts all other runs: it would empty a node for nothing after each. A turn-over and
// a rollback are for once; a version that was refused is looked at again after the next
// run, for the pool may be another by then; what was aborted stays so with its abort.
func (d *decision) keepSeen(last *v1alpha1.LastCycleStatus) {
	before, auto := d.report.Last, driftRequest+target(d.pool.Cloud)
	if key := d.refusedKey(auto); last.Outcome == Refused && last.Request == auto || before != nil && slices.Contains(before.Seen, key) {
		last.Seen = append(last.Seen, key)
	}
	if before == nil {
		return
	}
	for _, request := range d.standing() {
		if request == last.Request {
			continue
		}
		once := strings.HasPrefix(request, v1alpha1.AnnotationRollback+"=") || strings.HasPrefix(request, v1alpha1.AnnotationCycle+"=")
		known, on := slices.Contains(before.Seen, world.SeenKey("", request)), before.Request == request
		refused := request != auto && last.Outcome == Refused && (known || before.Outcome == Refused)
		if (known || on && before.Outcome != Aborted) && (once || refused) {
			last.Seen = append(last.Seen, world.SeenKey("", request))
		}
		abort := d.annotation(v1alpha1.AnnotationAbort)
		if abort != "" && (slices.Contains(before.Seen, world.SeenKey(abort, request)) || on && before.Outcome == Aborted && before.AbortSeen == abort) {
			last.Seen = append(last.Seen, world.SeenKey(abort, request))
		}
	}
}
