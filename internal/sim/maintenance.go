package sim

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// Oracle announces what it will do to the host of a machine: days ahead, minutes, or
// when it was due already. Some of it is taken back, some put off, and for some a person
// does what the doctor tells him to; the rest happens, and a machine is down for a while
// that nobody has asked to be restarted.
//
//	announced ──┬── taken back
//	            ├── put off ──────────┐
//	            ├── replaced in time  │
//	            └─────────────────────┴──► down ──► back, as after a restart

// A plan is what is announced, and in how long it is due.
type plan struct {
	in     time.Duration
	action string
	bare   bool // the instance's own date is all there is
}

// plans are the friendliest first. What is due in days does not come.
var plans = []plan{
	{in: 3 * 24 * time.Hour}, {in: 3 * time.Minute}, {in: 90 * time.Second, bare: true}, {in: -time.Minute}, {in: 2 * time.Minute},
	{in: time.Minute, action: "NONE"}, {in: 2 * time.Minute, action: "STOP"}, {in: 2 * time.Minute, action: "TERMINATE"},
}

// downs are how long a machine is down that Oracle restarts, beyond stopping and booting.
var downs = []time.Duration{time.Second, 45 * time.Second, 3 * time.Minute}

// fate is what becomes of a plan.
type fate int

const (
	comes fate = iota
	takenBack
	heeded // somebody has the node replaced, as the doctor says
	putOff
)

// announce has Oracle announce something for a machine of a pool, for three in some cases.
func (w *World) announce() {
	p, f, down := plans[w.tape.Pick(len(plans))], fate(w.tape.Pick(4)), downs[w.tape.Pick(len(downs))]
	k := w.anyKubelet()
	if k == nil {
		return
	}
	list := []*kubelet{k}
	switch w.tape.Pick(5) {
	case 3:
		list = w.atWork(k)
	case 4:
		list = w.likeIt(k, 3)
	}
	for _, k := range list {
		w.announceFor(k, p, f, down)
	}
}

// atWork is a machine of the same pool that somebody is about to replace or to repair, if
// there is one.
func (w *World) atWork(k *kubelet) []*kubelet {
	for _, id := range w.order {
		other := w.kubelets[id]
		if n := w.nodeOf(other); n != nil && other.up && other.inst.PoolID == k.inst.PoolID && n.Annotations[v1alpha1.AnnotationDisruption] != "" {
			return []*kubelet{other}
		}
	}
	return []*kubelet{k}
}

// likeIt are the first machines of the same pool, at most n.
func (w *World) likeIt(k *kubelet, n int) []*kubelet {
	var out []*kubelet
	for _, id := range w.order {
		if other := w.kubelets[id]; len(out) < n && other.up && !other.removed && other.inst.PoolID == k.inst.PoolID {
			out = append(out, other)
		}
	}
	return out
}

func (w *World) announceFor(k *kubelet, p plan, f fate, down time.Duration) {
	m := okesim.Maintenance{Start: time.Now().Add(p.in), Action: p.action, NoEvent: p.bare}
	if w.cloud.PlanMaintenance(k.inst.ID, m) != nil {
		return
	}
	w.note("cloud announces maintenance of %s in %s: %s, fate %d", k.node, p.in, p.action, f)
	w.stats.kinds["maintenance"]++
	due := max(p.in, 20*time.Second)
	half := min(due/2, time.Minute)
	switch f {
	case takenBack:
		w.errandIn(half, "the maintenance of "+k.node+" is taken back", func() { _ = w.cloud.PlanMaintenance(k.inst.ID, okesim.Maintenance{}) })
		return
	case heeded:
		w.errandIn(half, "has "+k.node+" replaced before its maintenance", func() { w.heed(k) })
	case putOff:
		w.errandIn(half, "the maintenance of "+k.node+" is put off", func() {
			m.Start = m.Start.Add(2 * time.Minute)
			_ = w.cloud.PlanMaintenance(k.inst.ID, m)
		})
		due += 2 * time.Minute
	}
	if due < time.Hour {
		w.errandIn(due, "the maintenance of "+k.node+" begins", func() { w.maintain(k, p.action, down) })
	}
}

// heed is the person who reads of a maintenance and does what the doctor says.
func (w *World) heed(k *kubelet) {
	if n := w.nodeOf(k); n != nil && n.Annotations[v1alpha1.AnnotationCycle] == "" {
		w.books.heeded[string(n.UID)] = time.Now()
		w.api.Edit(n, func(o client.Object) { set(o, v1alpha1.AnnotationCycle, heedValue) })
	}
}

const heedValue = "maintenance"

// maintain is Oracle that does what it has announced. Who was restarted or ended before
// is on another host already, and what was stopped a person starts again.
func (w *World) maintain(k *kubelet, action string, down time.Duration) {
	if w.cloud.Maintain(k.inst.ID, down) != nil {
		return
	}
	w.stats.kinds["maintained"]++
	if action == "STOP" {
		w.errandIn(6*time.Minute, "starts "+k.node+" again", func() { _ = w.cloud.StartInstance(k.inst.ID) })
	}
}

// leaveMaintenance has machines of a pool announced for a reboot when the faults are
// over, in half of the cases beside a turn-over.
func (w *World) leaveMaintenance() {
	if w.tape.Chance(500) {
		pool, value := w.anyPool(), "maintained"
		w.errandIn(time.Second, "asks for a turn-over beside a maintenance", func() { w.askFor(pool, value) })
	}
	w.announce()
}

// noIllness checks what the doctor has just written: that something is planned for a
// machine is nothing that is wrong with it, and nobody repairs it for that.
func (w *World) noIllness(n *corev1.Node) {
	w.promise(keepIll, !condemned(n) || verdict(n).Reason != "Maintenance", "node %s is condemned for what is planned for it: %s", n.Name, problem(n))
	value := n.Annotations[v1alpha1.AnnotationCycle]
	_, asked, _ := kube.ParseRepairRequest(value)
	w.promise(keepIll, !asked || !strings.Contains(value, "/maintenance/"), "a repair of node %s is asked for because of what is planned for it: %s", n.Name, value)
}

// heededAll checks at rest that whoever has been told to have a node replaced, and did
// what he was told, has had it replaced.
func (w *World) heededAll(n *corev1.Node) {
	pool := n.Annotations[v1alpha1.AnnotationNodePoolID]
	p := w.poolObject(pool)
	if n.Annotations[v1alpha1.AnnotationCycle] != heedValue || p == nil || p.Spec.Cycle == nil || stuck(p) || w.runWaits(pool) {
		return
	}
	if at, ok := w.books.aborted[pool]; ok && at.After(w.books.heeded[string(n.UID)]) {
		return
	}
	if last := p.Status.LastCycle; last != nil && len(last.AbortedNodes) > 0 && p.Annotations[v1alpha1.AnnotationAbort] != "" {
		return // by whoever has mended the cause: what was asked for on nodes ended with the run
	}
	w.promise(keepEnd, false, "node %s is to be replaced before its maintenance, and is still there: %s", n.Name, conditions(p))
}
