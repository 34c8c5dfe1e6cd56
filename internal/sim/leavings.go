package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// What people leave behind when the faults end, in some histories, for ten minutes of
// the calm: a pool stays paused with a turn-over asked for in it, nodes stay cordoned,
// a team keeps its budget closed, machines stay ill together, a zone goes silent once
// more. Four minutes of faults are too short for a drain to run out of its time, for a
// repair, or for a pause to be worth the name; and where no request fails, whatever
// the daemon does is its own will, so that checks may be as strict as its promises.
//
//	faults ──► heal ──► what was left ──► tidied up ──► rest
//	                    (checks of time)

// errand is one thing that somebody will do.
type errand struct {
	at   time.Time
	what string
	do   func()
}

// leavings are what may be left, each with how many in a thousand leave it.
var leavings = []struct {
	permille int
	leave    func(*World)
}{
	{300, (*World).leavePause},
	{250, (*World).leaveCordons},
	{350, (*World).leaveBudget},
	{200, (*World).leaveZone},
	{350, (*World).leaveIll},
	{400, (*World).leaveOnlooker},
	{200, (*World).leaveAbort},
	{100, (*World).leaveLoad},
	{250, (*World).leaveRollback},
	{120, (*World).leaveMaintenance},
}

// leave draws what is left. A tape that is at its end leaves nothing.
func (w *World) leave() {
	if w.opt.Gentle {
		return
	}
	w.tape.Align()
	switch w.span.leaves {
	case leavesOne:
		leavings[w.tape.Pick(len(leavings))].leave(w)
	case leavesAny:
		for _, l := range leavings {
			if w.tape.Chance(l.permille) {
				l.leave(w)
			}
		}
	}
	w.leaveOccasions()
	if w.tape.Chance(200) {
		w.leaveEdits()
	}
	if w.tape.Chance(200) {
		w.leaveConsole()
	}
	if w.tape.Chance(80) {
		w.leavePausedLoad()
	}
}

// later on somebody does something.
func (w *World) errandIn(d time.Duration, what string, do func()) {
	w.errands = append(w.errands, errand{time.Now().Add(d), what, do})
	slices.SortStableFunc(w.errands, func(a, b errand) int { return a.at.Compare(b.at) })
	w.moved = true
}

// runErrands does what is due. The calm is counted from the last one on.
func (w *World) runErrands(now time.Time) {
	for len(w.errands) > 0 && !now.Before(w.errands[0].at) {
		e := w.errands[0]
		w.errands = w.errands[1:]
		w.note("person: %s", e.what)
		w.moved = true
		e.do()
		w.calmAt, w.lastReal = now, now
	}
	if len(w.errands) > 0 {
		w.soon(w.errands[0].at)
	}
}

func (w *World) anyPool() string { return w.pools[w.tape.Pick(len(w.pools))] }

// askFor asks for a turn-over of a pool.
func (w *World) askFor(pool, value string) {
	if p := w.poolObject(pool); p != nil {
		w.api.Edit(p, func(o client.Object) { set(o, v1alpha1.AnnotationCycle, value) })
	}
}

// leavePause keeps a pool paused. Somebody asks for a turn-over meanwhile, and a
// machine falls ill: both have to wait.
func (w *World) leavePause() {
	pool, value := w.anyPool(), fmt.Sprint("paused-", w.step)
	w.errandIn(0, "leaves a pool paused", func() { w.pausePool(pool, true) })
	w.errandIn(10*time.Second, "asks for a turn-over of the paused pool", func() { w.askFor(pool, value) })
	if w.mix.parts.ills > 0 && w.tape.Chance(500) {
		w.errandIn(20*time.Second, "a machine of the paused pool falls ill", func() { w.fallIll(pool, hangs) })
	}
	w.errandIn(7*time.Minute, "unpauses the pool", func() { w.pausePool(pool, false) })
}

// leaveCordons keeps nodes of a pool cordoned and has the pool turned over. In
// half of the cases that is aborted in the middle.
func (w *World) leaveCordons() {
	pool, value, n := w.anyPool(), fmt.Sprint("cordoned-", w.step), 1+w.tape.Pick(2)
	w.errandIn(time.Second, "cordons nodes to look at them", func() { w.cordonSome(pool, n) })
	w.errandIn(80*time.Second, "asks for a turn-over beside cordoned nodes", func() { w.askFor(pool, value) })
	if w.tape.Chance(500) {
		w.errandIn(time.Duration(140+20*w.tape.Pick(8))*time.Second, "aborts it", func() { w.abort(pool) })
	}
	w.errandIn(10*time.Minute, "uncordons", func() { w.personCordons(false) })
}

// leavePausedLoad has runs paused in their middle, and then comes more load than there is
// room for: half an hour later the pods must have their nodes.
func (w *World) leavePausedLoad() {
	at, a := time.Duration(60+15*w.tape.Pick(12))*time.Second, w.apps[w.tape.Pick(len(w.apps))]
	for i, id := range w.pools {
		value := fmt.Sprint("loaded-", w.step, "-", i)
		w.errandIn(5*time.Second, "asks for a turn-over", func() { w.askFor(id, value) })
		w.errandIn(at, "pauses the pool in the middle of it", func() { w.pausePool(id, true) })
	}
	before := a.replicas
	w.errandIn(at+30*time.Second, "more load comes", func() { before, a.replicas = a.replicas, a.replicas+6 })
	w.errandIn(at+35*time.Minute, "looks whether all pods have a node", w.placed)
	w.errandIn(at+36*time.Minute, "lets the pools go on", func() {
		a.replicas = before
		for _, id := range w.pools {
			w.pausePool(id, false)
		}
	})
}

// placed checks that no pod waits for a node that a pool may get, unless one of the pools
// waits for a person, or has machines that never joined: in a pause those stay.
func (w *World) placed() {
	for _, id := range w.pools {
		if p := w.poolObject(id); stuck(p) || w.runStopped(id) || strings.Contains(conditions(p), "never became a node") {
			return
		}
	}
	w.api.Each("pods", func(o client.Object) {
		p := o.(*corev1.Pod)
		w.promise(keepEnd, p.Spec.NodeName != "" || w.full() || !w.mix.parts.scale, "pod %s has no node, its pool is paused, and no pool is at its limit", p.Name)
	})
}

// runStopped is whether the run of a pool has stopped since its new nodes do not join.
func (w *World) runStopped(id string) bool {
	p := w.poolObject(id)
	return p != nil && p.Status.Cycle != nil && strings.Contains(conditions(p), string(cycle.JoinFailures))
}

// cordonSome is kubectl cordon of the first n schedulable nodes of a pool.
func (w *World) cordonSome(pool string, n int) {
	for _, id := range w.order {
		k := w.kubelets[id]
		node := w.nodeOf(k)
		if n == 0 || node == nil || k.inst.PoolID != pool || node.Spec.Unschedulable {
			continue
		}
		n--
		w.cordon(node, true)
	}
}

// leaveBudget has a team close its budget for longer than a drain may take, and a
// pool turned over meanwhile. After ten minutes, of which a stand-in needs three to come,
// a drain that never ends would still be within the time that drainsEnd gives it.
func (w *World) leaveBudget() {
	var closable []*app
	for _, a := range w.apps {
		if a.budget {
			closable = append(closable, a)
		}
	}
	a, pool, value := closable[w.tape.Pick(len(closable))], w.anyPool(), fmt.Sprint("closed-", w.step)
	w.errandIn(0, "closes the budget of "+a.name, func() { w.closeBudget(a, true) })
	w.errandIn(5*time.Second, "asks for a turn-over beside a closed budget", func() { w.askFor(pool, value) })
	if n := w.tape.Pick(3); n > 0 { // such a node is drained, given back, and still somebody's
		w.errandIn(2*time.Second, "cordons nodes whose budget is closed", func() { w.cordonSome(pool, n) })
	}
	if w.tape.Chance(400) {
		w.errandIn(time.Duration(60+30*w.tape.Pick(6))*time.Second, "aborts it", func() { w.abort(pool) })
	}
	w.errandIn(13*time.Minute, "opens the budget, and uncordons", func() {
		w.closeBudget(a, false)
		w.personCordons(false)
	})
}

func (w *World) closeBudget(a *app, closed bool) {
	b, ok := w.api.Find("poddisruptionbudgets", "default", a.name).(*policyv1.PodDisruptionBudget)
	if !ok {
		return
	}
	a.closed = closed
	most := intstr.FromInt32(1)
	if closed {
		most = intstr.FromInt32(0)
	}
	w.api.Edit(b, func(o client.Object) { o.(*policyv1.PodDisruptionBudget).Spec.MaxUnavailable = &most })
}

// leaveZone has a zone go silent for a while in the middle of a turn-over. In half of
// the cases somebody pauses the pool for as long, and lets it go on the moment that the
// zone is back: what is known of its nodes is old then.
func (w *World) leaveZone() {
	pool, value, ads := w.anyPool(), fmt.Sprint("outage-", w.step), w.cloud.AvailabilityDomains()
	ad, for_ := ads[w.tape.Pick(len(ads))], time.Duration(60+20*w.tape.Pick(6))*time.Second
	w.errandIn(10*time.Second, "asks for a turn-over before an outage", func() { w.askFor(pool, value) })
	paused := w.tape.Chance(500)
	if paused {
		for_ += patient - time.Minute
	}
	w.errandIn(time.Duration(40+15*w.tape.Pick(6))*time.Second, "zone "+ad+" is silent", func() {
		if paused {
			w.pausePool(pool, true)
			w.errandIn(for_+time.Second, "lets the pool go on", func() { w.pausePool(pool, false) })
		}
		w.silenceZone(ad)
		w.errandIn(for_, "zone "+ad+" is back", w.recover)
	})
}

// leaveIll keeps ill together what is, which is what a brake is for, and in half of
// the cases makes it so.
func (w *World) leaveIll() {
	if w.mix.parts.ills == 0 || !w.mix.parts.repair {
		return
	}
	pool, n := w.anyPool(), 2+w.tape.Pick(3)
	if w.tape.Chance(500) {
		w.errandIn(time.Second, "machines of a pool fall ill together", func() {
			for range n {
				w.fallIll(pool, hangs)
			}
		})
	}
	w.uncured = true
	w.errandIn(8*time.Minute, "comes and cures", func() { w.uncured = false; w.cure() })
}

// fallIll makes the first machine of a pool ill that is well.
func (w *World) fallIll(pool string, ill illness) {
	for _, id := range w.order {
		k := w.kubelets[id]
		if k.ill == well && k.up && !k.removed && k.inst.PoolID == pool && w.nodeOf(k) != nil {
			w.beat(k)
			k.ill, k.fell, k.sick, k.dead = ill, time.Now(), true, true
			w.stats.kinds["ill"]++
			return
		}
	}
}

// leaveOnlooker has somebody watch who wants to do it himself: when a repair is asked
// for he pauses the pool, mends the machine, and lets the pool go on.
func (w *World) leaveOnlooker() {
	if w.mix.parts.ills == 0 || !w.mix.parts.repair {
		return
	}
	pool := w.anyPool()
	if w.tape.Chance(500) {
		w.errandIn(2*time.Second, "a machine falls ill under somebody's eyes", func() { w.fallIll(pool, hangs) })
	}
	w.onlooker = true
	w.errandIn(10*time.Minute, "looks on no more", func() { w.onlooker = false })
}

// looksOn is told of each repair that is asked for.
func (w *World) looksOn(node *corev1.Node) {
	pool, k := node.Annotations[v1alpha1.AnnotationNodePoolID], w.kubelets[node.Spec.ProviderID]
	if !w.onlooker || k == nil {
		return
	}
	w.onlooker = false
	w.errandIn(0, "pauses the pool to mend "+node.Name+" himself", func() { w.pausePool(pool, true) })
	w.errandIn(2*time.Minute, "has mended "+node.Name, func() { k.ill, k.sick, k.dead = well, false, false })
	w.errandIn(8*time.Minute, "lets the pool go on", func() { w.pausePool(pool, false) })
}

// leaveAbort has all runs aborted some minutes later.
func (w *World) leaveAbort() {
	pool, value := w.anyPool(), fmt.Sprint("vain-", w.step)
	w.errandIn(5*time.Second, "asks for a turn-over in vain", func() { w.askFor(pool, value) })
	w.errandIn(time.Duration(30+30*w.tape.Pick(8))*time.Second, "aborts all runs", func() {
		for _, id := range w.pools {
			w.abort(id)
		}
	})
}

// leaveRollback has a pool upgraded, or taken back to the version before, and somebody
// turn back: before it has begun, in its middle, while old nodes stand empty, or when it
// is long over.
func (w *World) leaveRollback() {
	pool, value := w.anyPool(), fmt.Sprint("back-", w.step)
	w.errandIn(5*time.Second, "asks for another version", func() { w.otherVersion(pool) })
	w.errandIn([]time.Duration{6 * time.Minute, 90 * time.Second, 3 * time.Minute, 9 * time.Minute, 6 * time.Second}[w.tape.Pick(5)], "turns back", func() {
		if p := w.poolObject(pool); p != nil {
			w.api.Edit(p, func(o client.Object) { set(o, v1alpha1.AnnotationRollback, value) })
		}
	})
}

// otherVersion asks for the one of two versions that a pool does not have.
func (w *World) otherVersion(pool string) {
	v, err := w.cloud.Pool(pool)
	p := w.poolObject(pool)
	if err != nil || p == nil {
		return
	}
	w.api.Edit(p, func(o client.Object) { set(o, v1alpha1.AnnotationUpgradeTo, w.other(v)) })
}

// other is the one of two versions that a pool does not have.
func (w *World) other(v okesim.PoolView) string {
	if v.KubernetesVersion == "v1.34.2" {
		return "v1.34.1"
	}
	return "v1.34.2"
}

// leaveLoad has loads that have surged fall only now.
func (w *World) leaveLoad() {
	w.surging = true
	w.errandIn(8*time.Minute, "lets the load fall", w.calmLoad)
}

// abort is a person who wants the run of a pool to end.
func (w *World) abort(id string) {
	if p := w.poolObject(id); p != nil {
		w.books.aborted[id] = time.Now()
		w.api.Edit(p, func(o client.Object) { set(o, v1alpha1.AnnotationAbort, fmt.Sprint(w.step)) })
	}
}

// asksRepair is whether the Node carries a request of the doctor's.
func asksRepair(n *corev1.Node) bool {
	_, asked, _ := kube.ParseRepairRequest(n.Annotations[v1alpha1.AnnotationCycle])
	return asked
}
