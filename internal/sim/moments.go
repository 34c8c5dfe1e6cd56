package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
)

// moments are what people and misfortune do when it is least convenient: not at any
// time, as deeds are, but when the daemon has a write under way, has just seen a node
// empty, or looks at a world that has changed behind its back. The first is the
// friendliest; new ones go to the end.
var moments = []struct {
	name string
	do   func(*World)
}{
	{"machines come up slowly", func(w *World) { w.slow = time.Now().Add(3 * time.Minute) }},
	{"no launch succeeds, and the load grows", func(w *World) {
		one, fault := w.anyPool(), okesim.LaunchFaults()[w.tape.Pick(8)]
		everywhere := w.tape.Pick(2) == 0 // a region without capacity, or a pool with a bad subnet
		for _, id := range w.pools {
			if id == one || everywhere {
				w.raiseWall(id, fault)
			}
		}
		a := w.apps[w.tape.Pick(2)]
		a.replicas = min(a.replicas+6, 24)
	}},
	{"the cloud does not answer", func(w *World) { w.silence() }},
	{"a pause that is not seen", func(w *World) {
		if id := w.running(); id != "" {
			w.blind("/pools?")
			w.pausePool(id, true)
		}
	}},
	{"an abort that is not seen", func(w *World) {
		if id := w.running(); id != "" {
			w.blind("/pools?")
			w.abort(id)
		}
	}},
	{"a node that is about to be deleted is made schedulable", func(w *World) { w.await(w.looksAtEmpty, w.uncordonFirst) }},
	{"a node that is about to be cordoned is cordoned", func(w *World) { w.await(cordons, w.cordonFirst) }},
	{"a pool that is about to be resized is resized", func(w *World) { w.await(resizesPool, w.resizeFirst) }},
	{"a pod is put on a node that is empty", func(w *World) { w.await(looksAtPods, w.bindByName) }},
	{"the leader is deaf and the load surges", func(w *World) {
		if p := w.leader(); p != nil {
			p.deaf = time.Now().Add(90 * time.Second)
			w.apps[w.tape.Pick(2)].replicas = 24
		}
	}},
	{"whoever writes is asked to go", func(w *World) { w.await(writing[w.tape.Pick(3)], func(o *op) { o.p.term() }) }},
	{"whoever writes stands still", func(w *World) {
		w.await(writing[w.tape.Pick(3)], func(o *op) { o.p.frozen = time.Now().Add(25 * time.Second) })
	}},
	{"a pool that is written is busy", func(w *World) {
		w.await(writing[1+w.tape.Pick(2)], func(o *op) { w.grant(o, &busy) })
	}},
	{"a release that does not boot", func(w *World) {
		id := w.anyPool()
		w.raiseWall(id, okesim.RegisterTimeout)
		w.askFor(id, fmt.Sprint("bad-", w.step))
	}},
	{"a node that is emptied is taken back, and that is not seen", func(w *World) { w.await(evicts, w.takeBackUnseen) }},
	{"a maintenance is announced", func(w *World) { w.announce() }},
	{"a machine is wanted that the cloud is too busy to delete", func(w *World) { w.await(deletesMachine, w.wantMeanwhile) }},
	{"a replica of the cloud has not heard of a new size", func(w *World) { w.await(resizesPool, w.lagBehind) }},
	{"an outage that is not seen", func(w *World) { w.outageUnseen() }},
}

func (w *World) moment() {
	m := moments[w.tape.Pick(len(moments))]
	w.note("moment: %s", m.name)
	w.moved = true
	m.do(w)
}

// silence is an outage of the cloud's API, into the calm if need be. Somebody asks for
// a turn-over meanwhile, and the load falls: both have to wait.
func (w *World) silence() {
	if !w.tape.Chance(300) || time.Now().Before(w.silent) {
		return // nothing else happens for as long
	}
	value := fmt.Sprint("silent-", w.step)
	w.silent = time.Now().Add(4 * time.Minute)
	w.errandIn(100*time.Second, "asks for a turn-over of all pools while the cloud is silent", func() {
		for _, id := range w.pools {
			w.askFor(id, value)
		}
	})
	w.errandIn(100*time.Second, "the load falls while the cloud is silent", func() { w.load(-1) })
	w.errandIn(4*time.Minute, "the cloud answers again", func() { w.silent = time.Time{} })
}

// outageUnseen has a zone go silent while nobody hears of Nodes. Somebody asks for a
// turn-over of a pool that is there as well, and the load falls: neither is worth the
// nodes that are left.
func (w *World) outageUnseen() {
	k := w.anyKubelet()
	if k == nil || w.nodeOf(k) == nil {
		return
	}
	pool, value := k.inst.PoolID, fmt.Sprint("unseen-", w.step)
	w.blind("/nodes?")
	w.silenceZone(k.inst.AvailabilityDomain)
	w.errandIn(100*time.Second, "asks for a turn-over in an outage", func() { w.askFor(pool, value) })
	w.errandIn(100*time.Second, "the load falls in an outage", func() { w.load(-1) })
	w.errandIn(6*time.Minute, "the outage is over", w.recover)
}

// A wall is a pool no launch of which succeeds, until somebody has mended the cause.
type wall struct {
	fault okesim.LaunchFault
	until time.Time
}

func (w *World) raiseWall(id string, fault okesim.LaunchFault) {
	lasts := []time.Duration{3 * time.Minute, 8 * time.Minute, 16 * time.Minute}[w.tape.Pick(3)]
	if _, stands := w.walls[id]; stands {
		return
	}
	w.walls[id] = wall{fault, time.Now().Add(lasts)}
	w.books.orders.walls[id] = time.Now()
	w.cloud.BreakLaunches(id, -1, fault)
}

// tickMoments tears down walls whose time is over, and has somebody read what a pool
// says whose run has stopped: a calm world still has its operators.
func (w *World) tickMoments(now time.Time) {
	for _, id := range w.pools {
		if s, stands := w.walls[id]; stands && now.Before(s.until) {
			w.soon(s.until)
		} else if stands {
			w.note("person: the cause is mended, pool %d", slices.Index(w.pools, id))
			delete(w.walls, id)
			delete(w.books.orders.walls, id)
			w.cloud.BreakLaunches(id, 0, s.fault)
			w.lastReal, w.moved = now, true
		} else if w.calm {
			w.askAgain(id)
		}
	}
}

// wallsStand keeps those up that are to outlive the faults.
func (w *World) wallsStand() {
	for _, id := range w.pools {
		if s, stands := w.walls[id]; stands {
			w.cloud.BreakLaunches(id, -1, s.fault)
		}
	}
}

// askAgain is the person who reads that a run has stopped since too many of its new
// nodes did not come, has mended the cause, and does what the Pool says.
func (w *World) askAgain(id string) {
	p := w.poolObject(id)
	if p == nil || p.Status.Cycle == nil || !strings.Contains(conditions(p), "mend the cause and ") {
		return
	}
	key := v1alpha1.AnnotationAbort
	if strings.HasPrefix(p.Status.Cycle.Request, v1alpha1.AnnotationCycle+"=") {
		key = v1alpha1.AnnotationCycle
	}
	if last := p.Annotations[key]; strings.HasPrefix(last, "again-") && !strings.HasSuffix(p.Status.Cycle.Request, last) {
		return // it has been asked, and not been seen yet
	}
	w.note("person: asks again, pool %s", p.Name)
	w.moved, w.lastReal = true, time.Now()
	w.api.Edit(p, func(o client.Object) { set(o, key, fmt.Sprintf("again-%d", w.step)) })
}

// running is a pool with a run, "" if there is none.
func (w *World) running() string {
	var list []string
	for _, id := range w.pools {
		if p := w.poolObject(id); p != nil && p.Status.Cycle != nil {
			list = append(list, id)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return list[w.tape.Pick(len(list))]
}

// blind keeps the news of a resource from everybody who watches it, for four minutes: a
// watch that hangs already hangs no longer for it.
func (w *World) blind(resource string) {
	for _, p := range w.procs {
		for _, f := range p.feeds {
			if strings.Contains(f.key, resource) && !time.Now().Before(f.hangs) {
				f.hangs = time.Now().Add(4 * time.Minute)
			}
		}
	}
}

// leader is the process that holds the Lease.
func (w *World) leader() *process {
	holder := w.holder()
	for _, p := range w.procs {
		if p.name == holder {
			return p
		}
	}
	return nil
}

// stranger is a node of the cluster that is in no node pool: somebody has joined it by
// hand, and it is nobody's business.
func stranger() *corev1.Node {
	n := newNode(okesim.Instance{ID: "ocid1.instance.oc1.iad.stranger", PrivateIP: "10.9.9.9", Shape: "VM.Standard.E4.Flex", OCPUs: 2, MemoryGB: 16,
		AvailabilityDomain: "x:US-ASHBURN-AD-1", FaultDomain: "FAULT-DOMAIN-1", KubernetesVersion: "v1.34.1", Arch: "amd64"}, metav1.NewTime(time.Now().Truncate(time.Second)))
	n.Annotations = nil
	n.Spec.Taints = []corev1.Taint{{Key: "dedicated", Value: "somebody", Effect: corev1.TaintEffectNoSchedule}}
	for i := range n.Status.Conditions {
		if n.Status.Conditions[i].Type == corev1.NodeReady {
			n.Status.Conditions[i].Status = corev1.ConditionTrue
		}
	}
	return n
}

// bootsIn is how long a machine that runs takes to become a node.
func (w *World) bootsIn() time.Duration {
	if time.Now().Before(w.slow) {
		return 75 * time.Second
	}
	return 3 * time.Second
}
