package cycle

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/world"
)

// An event is a transition that somebody may want to have been told of.
type event struct {
	reason  string
	warning bool
}

// events lists the kinds of step that are told.
var eventOf = map[Kind]event{
	StartRun:          {"CycleStarted", false},
	FinishRun:         {"CycleFinished", false},
	RefuseRequest:     {"CycleRefused", true},
	BackOff:           {"SurgeFailed", true},
	CountJoinFailure:  {"JoinFailed", true},
	AdoptSize:         {"SizeAdopted", false},
	Delegate:          {"CycleDelegated", false},
	SetRelease:        {"ReleaseSet", false},
	Mark:              {"NodeCordoned", false},
	Drain:             {"NodeDraining", false},
	DeleteInstance:    {"InstanceDeleted", false},
	Refill:            {"LostInstanceReplaced", true},
	Reboot:            {"InstanceRebooted", false},
	ReplaceBootVolume: {"BootVolumeReplaced", false},
	OutOfService:      {"NodeOutOfService", true},
	InService:         {"NodeInService", false},
	Skip:              {"DrainSkipped", true},
}

// tell makes the event of a step that was carried out, on its Node if it has
// one and on the Pool otherwise.
func (t *turn) tell(s Step) {
	t.metrics.did(s)
	e, ok := eventOf[s.Kind]
	if s.Kind == Release && (s.Reason == Renewed || s.Reason == NotBack || s.Reason == Unsupported) {
		e, ok = event{"Node" + string(s.Reason), s.Reason != Renewed}, true
	}
	if !ok {
		return
	}
	about := t.about(s)
	if about == nil {
		return
	}
	kind := corev1.EventTypeNormal
	if e.warning {
		kind = corev1.EventTypeWarning
	}
	t.emit(about, kind, e.reason, string(s.Kind), shorten(s.String()))
}

func (t *turn) about(s Step) runtime.Object {
	if n := t.nodes[s.NodeUID]; n != nil {
		return n.Object
	}
	if p := t.pools[s.Pool]; p != nil && p.Object != nil {
		return p.Object
	}
	for _, o := range t.snapshot.Orphans {
		if o.Object.Name == s.Pool {
			return o.Object
		}
	}
	return nil
}

func (t *turn) emit(about runtime.Object, kind, reason, action, note string) {
	if t.Events != nil {
		t.Events.Eventf(about, nil, kind, reason, action, "%s", note)
	}
}

// tellBlocked tells of a pod that does not leave, once for each reason.
func (t *turn) tellBlocked(n *world.Node, p drain.Progress) {
	for _, b := range p.Blocked {
		key := string(n.Object.UID) + "/" + b.Pod
		if t.said[key] == string(b.Reason) {
			continue
		}
		t.said[key] = string(b.Reason)
		t.emit(n.Object, corev1.EventTypeWarning, "EvictionBlocked", "Evict", shorten(b.String()))
		t.log().Info("cycle: pod does not leave", "node", n.Name(), "pod", b.Pod, "reason", b.Reason, "message", b.Message)
	}
}

// tellForced leaves for each pod that was deleted against a refusal an event on
// the Node, a count and a line in the log that stands out.
func (t *turn) tellForced(n *world.Node, p drain.Progress) {
	for _, b := range p.Forced {
		t.metrics.forced.WithLabelValues(string(b.Reason)).Inc()
		t.emit(n.Object, corev1.EventTypeWarning, "PodForced", "Force", shorten("deleted against "+b.String()))
		t.log().Warn("cycle: pod deleted against a refusal, as onTimeout Force says", "audit", true, "node", n.Name(), "pod", b.Pod, "reason", b.Reason, "pdb", b.PDB, "message", b.Message)
	}
}

func (t *turn) tellDrained(n *world.Node, at time.Time) {
	took := at.Sub(*n.Mark.DrainStarted)
	t.metrics.drainSeconds.Observe(took.Seconds())
	t.emit(n.Object, corev1.EventTypeNormal, "NodeDrained", "Drain", "emptied in "+took.Round(time.Second).String())
	t.log().Info("cycle: node is empty", "node", n.Name(), "took", took.Round(time.Millisecond))
}
