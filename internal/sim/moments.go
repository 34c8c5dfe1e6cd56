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
	"github.com/tidemill/tidemill/internal/kube"
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
	{"no launch succeeds", func(w *World) { w.raiseWall() }},
	{"the cloud does not answer", func(w *World) { w.silent = time.Now().Add(150 * time.Second) }},
	{"a pause that is not seen", func(w *World) {
		if id := w.running(); id != "" {
			w.blind()
			w.pausePool(id, true)
		}
	}},
	{"an abort that is not seen", func(w *World) {
		if id := w.running(); id != "" {
			w.blind()
			w.books.aborted[id] = time.Now()
			w.api.Edit(w.poolObject(id), func(o client.Object) { set(o, v1alpha1.AnnotationAbort, fmt.Sprint(w.step)) })
		}
	}},
	{"a node that is emptied is made schedulable", func(w *World) {
		if n := w.taken(); n != nil {
			w.api.Edit(n, func(o client.Object) { o.(*corev1.Node).Spec.Unschedulable = false })
		}
	}},
	{"a node that is about to be written is cordoned", func(w *World) { w.cordonFirst() }},
	{"a pool that is about to be resized is resized", func(w *World) { w.resizeFirst() }},
	{"a pod is put on a node that is empty", func(w *World) { w.bindByName() }},
	{"the leader is deaf and the load surges", func(w *World) {
		if p := w.leader(); p != nil {
			p.deaf = time.Now().Add(90 * time.Second)
			w.apps[w.tape.Pick(2)].replicas = 24
		}
	}},
	{"whoever writes is asked to go", func(w *World) {
		if o := w.underWay(); o != nil {
			o.p.term()
		}
	}},
	{"whoever writes stands still", func(w *World) {
		if o := w.underWay(); o != nil {
			o.p.frozen = time.Now().Add(25 * time.Second)
		}
	}},
}

func (w *World) moment() {
	m := moments[w.tape.Pick(len(moments))]
	w.note("moment: %s", m.name)
	w.moved = true
	m.do(w)
}

// A wall is a pool no launch of which succeeds, until somebody has mended the cause.
type wall struct {
	fault okesim.LaunchFault
	until time.Time
}

func (w *World) raiseWall() {
	id, all := w.pools[w.tape.Pick(len(w.pools))], okesim.LaunchFaults()
	fault, lasts := all[w.tape.Pick(len(all))], []time.Duration{3 * time.Minute, 8 * time.Minute, 16 * time.Minute}[w.tape.Pick(3)]
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

// blind keeps the news of Pools from everybody who watches them.
func (w *World) blind() {
	for _, p := range w.procs {
		for _, f := range p.feeds {
			if strings.Contains(f.key, "/pools?") {
				f.hangs = time.Now().Add(4 * time.Minute)
			}
		}
	}
}

// taken is a node that tidemill is emptying.
func (w *World) taken() *corev1.Node {
	return w.marked(func(n *corev1.Node, _ *kube.Mark) bool { return n.Spec.Unschedulable })
}

func (w *World) marked(which func(*corev1.Node, *kube.Mark) bool) *corev1.Node {
	var list []*corev1.Node
	w.api.Each("nodes", func(o client.Object) {
		n := o.(*corev1.Node)
		if m, err := kube.MarkOf(n); err == nil && m != nil && which(n, m) {
			list = append(list, n)
		}
	})
	if len(list) == 0 {
		return nil
	}
	return list[w.tape.Pick(len(list))]
}

// pick is one of the ops that wait, nil if there is none of the kind.
func (w *World) pick(which func(*op) bool) *op {
	var list []*op
	for _, o := range w.ops() {
		if which(o) {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[w.tape.Pick(len(list))]
}

func (w *World) underWay() *op {
	return w.pick(func(o *op) bool { return o.writes() && !electing(o) && !o.question() })
}

// cordonFirst is a person who cordons a node that a write is under way to.
func (w *World) cordonFirst() {
	const nodes = "/api/v1/nodes/"
	o := w.pick(func(o *op) bool {
		return o.kube != nil && o.kube.Method == "PATCH" && strings.HasPrefix(o.kube.Path, nodes) && !strings.HasSuffix(o.kube.Path, "/status")
	})
	if o == nil {
		return
	}
	n, ok := w.api.Find("nodes", "", strings.TrimPrefix(o.kube.Path, nodes)).(*corev1.Node)
	if ok && n != nil && !n.Spec.Unschedulable {
		w.books.cordoned[string(n.UID)] = true
		w.api.Edit(n, func(o client.Object) { o.(*corev1.Node).Spec.Unschedulable = true })
	}
}

// resizeFirst is a person in the console, a moment before the daemon.
func (w *World) resizeFirst() {
	o := w.pick(func(o *op) bool { return o.cloud != nil && poolIn(o.cloud) != "" })
	if o == nil {
		return
	}
	id := poolIn(o.cloud)
	if v, err := w.cloud.Pool(id); err == nil {
		size := v.Size + 1
		w.typed(id, size)
		_, _ = w.cloud.UpdatePool(id, okesim.PoolUpdate{Size: &size}, "")
	}
}

// bindByName is a controller that names the node of its pods itself, past the
// scheduler and so past every cordon.
func (w *World) bindByName() {
	n := w.marked(func(_ *corev1.Node, m *kube.Mark) bool { return m.Drained != nil })
	a := w.apps[w.tape.Pick(2)]
	if n == nil || a.replicas >= 24 {
		return
	}
	a.replicas++
	w.made++
	p := w.newPod(a)
	p.Spec.NodeName = n.Name
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Now().Truncate(time.Second))}}
	w.api.Create(p)
	w.books.orders.bound[string(p.UID)] = time.Now()
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
		AvailabilityDomain: "x:AD-1", FaultDomain: "FAULT-DOMAIN-1", KubernetesVersion: "v1.34.1", Arch: "amd64"})
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
