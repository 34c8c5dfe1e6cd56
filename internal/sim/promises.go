package sim

import (
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/sim/model"
)

// The promises, by the names under which a violation is told. DESIGN's numbers
// are in docs/reliability.md.
const (
	keepFloor     = "floor"
	keepCeiling   = "ceiling"
	keepEviction  = "eviction only"
	keepOwnMarks  = "own marks only"
	keepCleanEnd  = "clean end"
	keepDrained   = "no surprise delete"
	keepRest      = "comes to rest"
	keepEnd       = "what was asked for is done"
	keepLeader    = "one leader writes"
	keepHuman     = "people win"
	keepBounded   = "bounded"
	keepUnmanaged = "only what is managed"
	keepPaused    = "paused means paused"
	keepReplace   = "replace first"
	keepReason    = "a reason for every no"
	keepSecret    = "no secret is told"
	keepIll       = "only the ill are repaired"
	keepBrake     = "brake"
	keepNews      = "no deed on old news"
	keepTruth     = "what is told is so"
	keepOneHand   = "one hand on a pool"
	keepCheap     = "the cheaper pool grows"
	dead          = "no panic, no dead end"
)

// Promises are all that a run checks.
var Promises = []string{keepFloor, keepCeiling, keepEviction, keepOwnMarks, keepCleanEnd, keepDrained, keepRest, keepEnd, keepLeader, keepHuman, keepBounded, keepUnmanaged, keepPaused, keepReplace, keepReason, keepSecret, keepIll, keepBrake, keepNews, keepTruth, keepOneHand, keepCheap, dead}

// books remember what the present truth alone does not show.
type books struct {
	// waits is what a pod was told last of why no pool grows for it, by UID; mu guards it.
	waits    map[string]string
	askedWhy time.Time // when that was looked at last
	// available are the nodes of a pool that could be counted on in the last minute,
	// an entry for each change: a decision may be that old.
	available map[string][]sample
	// cordoned are nodes that a person has cordoned, by UID.
	cordoned map[string]bool
	// drains is when a node was last seen to begin to be emptied, by UID.
	drains map[string]time.Time
	// emptied is since when a node is marked as empty, by UID.
	emptied map[string]time.Time
	// paused is since when a pool has been paused.
	paused map[string]time.Time
	// unpaused is when it last was no more, repairs how many were asked for by Node.
	unpaused map[string]time.Time
	repairs  map[string]int
	// aborted is when a person last asked for a pool's run to be aborted.
	aborted     map[string]time.Time
	cloudWrites int
	// reads of the cloud in the minute that began at minute; deletes by instance.
	reads   int
	minute  time.Time
	deletes map[string]int
	// writes are the daemon's to each object in the minute that began at written.
	writes   map[string]int
	written  time.Time
	kept     map[string]int // how often each promise was put to the test
	orders   orders
	refusals refusals
	// renewals are when a Lease was truly renewed, by what a clock that is off wrote.
	renewals map[int64]time.Time
	// asked is the run of a pool, by its begin, that somebody has been asked to approve.
	asked map[string]time.Time
	// heeded is when somebody did what the doctor says of a maintenance, by Node.
	heeded map[string]time.Time
	handed map[string]handed // pools, see handed.go
	thrift thrift
	seesaw seesaw
	// consoled are pools whose node pool somebody has edited.
	consoled map[string]bool
	// begun is by how much the begin of a run, in seconds, is wrongly dated.
	begun map[int64]time.Duration
}

func newBooks() books {
	return books{waits: map[string]string{}, available: map[string][]sample{}, drains: map[string]time.Time{}, emptied: map[string]time.Time{}, cordoned: map[string]bool{}, paused: map[string]time.Time{}, aborted: map[string]time.Time{}, kept: map[string]int{}, deletes: map[string]int{},
		unpaused: map[string]time.Time{}, repairs: map[string]int{}, orders: newOrders(), refusals: newRefusals(), renewals: map[int64]time.Time{}, begun: map[int64]time.Duration{}, asked: map[string]time.Time{}, heeded: map[string]time.Time{}, handed: map[string]handed{}, consoled: map[string]bool{}}
}

func (w *World) promise(name string, kept bool, format string, args ...any) {
	if w.asking {
		w.amiss = w.amiss || !kept
		return
	}
	w.mu.Lock()
	w.books.kept[name]++
	w.mu.Unlock()
	if !kept {
		w.violate(name, format, args...)
	}
}

// watchCommit looks at each write of the daemon the moment it lands.
func (w *World) watchCommit(c model.Commit) {
	w.moved = w.moved || moves(c)
	o := c.Next
	if o == nil {
		o = c.Old
	}
	if _, lease := o.(*coordinationv1.Lease); lease {
		w.watchElection(c, o.GetName())
		return
	}
	if c.Writer == "" {
		return
	}
	w.leads(c.Writer, c.Verb+" "+o.GetName())
	w.countWrites(o)
	w.watchWords(c)
	if !heartbeatOnly(c) {
		w.lastReal, w.lastWhat = time.Now(), c.Verb+" "+o.GetName()
	}
	switch next := c.Next.(type) {
	case *corev1.Node:
		if old, ok := c.Old.(*corev1.Node); ok {
			w.watchNode(c.Verb, old, next)
		}
	case *v1alpha1.Pool:
		if old, ok := c.Old.(*v1alpha1.Pool); ok {
			w.countBrake(old, next)
			w.begins(c.Writer, old, next)
			w.saysDone(old, next)
			w.desires(old, next)
		}
	case nil:
		// A pod that has ended meanwhile is gone with its eviction.
		w.promise(keepEviction, c.Verb == "POST pods/eviction", "%s deleted %T %s", c.Writer, c.Old, c.Old.GetName())
	}
	if _, pod := o.(*corev1.Pod); pod {
		w.promise(keepEviction, c.Verb == "POST pods/eviction" || c.Verb == "DELETE pods", "%s: pod %s was written by %q", c.Writer, o.GetName(), c.Verb)
		if c.Verb == "DELETE pods" {
			w.forces(c.Writer, o.(*corev1.Pod))
		}
		w.evictedFrom(o.(*corev1.Pod))
	}
}

// leads checks that a writer holds the Lease.
func (w *World) leads(writer, what string) {
	holder := w.holder()
	w.promise(keepLeader, holder == writer || w.deposed(writer), "%s wrote %s, and %q leads", writer, what, holder)
}

// holder is whose the Lease is, "" for nobody's.
func (w *World) holder() string {
	l, ok := w.api.Find("leases", "tidemill-system", "tidemill").(*coordinationv1.Lease)
	if ok && l.Spec.HolderIdentity != nil {
		return *l.Spec.HolderIdentity
	}
	return ""
}

// heartbeatOnly is a verdict of the doctor's that stands and is said again, or a
// brake's sign that is still there.
func heartbeatOnly(c model.Commit) bool {
	if old, ok := c.Old.(*v1alpha1.Pool); ok && c.Next != nil {
		return sameButSign(old, c.Next.(*v1alpha1.Pool))
	}
	old, ok := c.Old.(*corev1.Node)
	if !ok || c.Verb != "PATCH nodes/status" {
		return false
	}
	return verdict(old).Status == verdict(c.Next.(*corev1.Node)).Status
}

func sameButSign(a, b *v1alpha1.Pool) bool {
	if a.Status.Repair == nil || b.Status.Repair == nil || a.Status.Repair.Brake == nil || b.Status.Repair.Brake == nil {
		return false
	}
	x, y := a.Status.DeepCopy(), b.Status.DeepCopy()
	y.Repair.Brake.LastSign = x.Repair.Brake.LastSign
	return equality.Semantic.DeepEqual(x, y) && equality.Semantic.DeepEqual(a.Spec, b.Spec) && equality.Semantic.DeepEqual(a.Annotations, b.Annotations)
}

func (w *World) watchNode(verb string, old, next *corev1.Node) {
	pool := next.Annotations[v1alpha1.AnnotationNodePoolID]
	w.promise(keepUnmanaged, pool != "", "node %s of no pool was written by %q", next.Name, verb)
	w.promise(keepUnmanaged, !w.pretends(next) || !touched(old, next), "node %s was written by %q: it has the provider ID of another", next.Name, verb)
	mark, _ := kube.MarkOf(next)
	before, _ := kube.MarkOf(old)
	if mark != nil && mark.DrainStarted != nil && (before == nil || before.DrainStarted == nil) {
		w.books.drains[string(next.UID)] = time.Now()
	}
	w.standsEmpty(string(next.UID), before, mark)
	w.promise(keepOwnMarks, foreignTaint(next) == foreignTaint(old), "the other autoscaler's taint of node %s was written", next.Name)
	w.countRepair(old, next)
	w.watchVerdict(old, next)
	w.promise(keepOwnMarks, !old.Spec.Unschedulable || mark == nil || !mark.Cordoned || before != nil && before.Cordoned, "node %s was cordoned by somebody else, and its mark says that tidemill did it", next.Name)
	if old.Spec.Unschedulable && !next.Spec.Unschedulable {
		w.promise(keepHuman, !w.books.cordoned[string(next.UID)], "node %s was uncordoned, a person's cordon", next.Name)
		w.promise(keepOwnMarks, before != nil && before.Cordoned, "node %s was uncordoned without a mark that says who cordoned it", next.Name)
	}
	if old.Spec.Unschedulable || !next.Spec.Unschedulable {
		return
	}
	w.promise(keepOwnMarks, mark != nil && mark.Cordoned, "node %s was cordoned without a mark", next.Name)
	w.spent(pool, next.Name)
	if mark == nil {
		return
	}
	w.undisturbed(pool, "node "+next.Name+" was cordoned")
	w.informed(next.Name)
	w.oneHand(pool, next.Name, mark)
	w.letsGo(pool, next, mark)
	if mark.Cause == kube.CauseCycle {
		if at, ok := w.harm.gone[pool]; ok {
			w.promise(keepHuman, time.Since(at) < forgiven, "node %s was cordoned %s after its Pool was deleted", next.Name, time.Since(at))
		}
		w.obeys(pool, next.Name, mark)
		w.throughGate(pool, next, mark)
	}
	if mark.Cause != kube.CauseScaleDown {
		w.hisTurn(pool, next.Name)
	}
	if w.works(old) && mark.Cause != kube.CauseScaleDown && !(mark.Stays() && mark.Cause == kube.CauseRepair) {
		w.floor(pool, next)
	}
}

// obeys checks, when a run has just cordoned a node, that nobody had aborted it; what
// a run has added beyond the pool's size an abort takes away, also for having never
// become available, and no more than that. A run knows when it began to the second.
func (w *World) obeys(pool, node string, mark *kube.Mark) {
	at, ok := w.books.aborted[pool]
	p := w.poolObject(pool)
	if !ok || p == nil || p.Status.Cycle == nil || !w.runBegan(p.Status.Cycle).Add(2*time.Second).Before(at) {
		return
	}
	if mark.Reason == string(cycle.Surplus) || mark.Reason == string(cycle.JoinTimeout) {
		v, err := w.cloud.Pool(pool)
		w.promise(keepHuman, err == nil && v.Size > int(p.Status.Cycle.Desired) || time.Since(at) < forgiven, "node %s was cordoned as %s of an aborted run, and the pool has a size of %d of %d", node, mark.Reason, v.Size, p.Status.Cycle.Desired)
		return
	}
	w.promise(keepHuman, time.Since(at) < forgiven, "node %s was cordoned %s after the run of its pool was aborted", node, time.Since(at))
}

func (w *World) poolObject(id string) *v1alpha1.Pool {
	var out *v1alpha1.Pool
	w.api.Each("pools", func(o client.Object) {
		if p := o.(*v1alpha1.Pool); p.Spec.NodePoolID == id && p.Labels[planted] == "" && (out == nil || p.Spec.Cycle != nil) {
			out = p
		}
	})
	return out
}

// beforeCloud looks at a write to the cloud before it is carried out: what it is
// about to do must be right now.
func (w *World) beforeCloud(o *op) {
	w.countReads()
	if !o.writes() || o.question() {
		return
	}
	w.leads(o.p.name, o.cloud.Method+" "+o.cloud.URL.Path)
	w.lastReal, w.lastWhat = time.Now(), o.cloud.Method+" "+o.cloud.URL.Path
	w.books.cloudWrites++
	w.promise(keepBounded, w.books.cloudWrites < 2000, "%d writes to the cloud", w.books.cloudWrites)
	parts := strings.Split(strings.Trim(o.cloud.URL.Path, "/"), "/")
	switch {
	case o.cloud.Method == "DELETE" && len(parts) == 5 && parts[3] == "node":
		w.deletes(o, parts[2], parts[4])
	case o.cloud.Method == "PUT" && len(parts) == 3:
		w.resizes(o, parts[2])
	}
}

func (w *World) afterCloud(o *op, status int) {
	if status < 300 {
		w.stats.writes++
		w.landed(o)
	}
}

// deletes checks that the machine may go: its Node is cordoned and empty, or
// there is none.
func (w *World) deletes(o *op, pool, instance string) {
	w.books.deletes[instance]++
	w.promise(keepBounded, w.books.deletes[instance] <= 40, "instance %s is deleted for the %d. time", instance, w.books.deletes[instance])
	k := w.kubelets[instance]
	if k == nil {
		return // an entry without a machine
	}
	n := w.nodeOf(k)
	if n == nil {
		w.hadItsTime(o, k)
		return
	}
	mark, err := kube.MarkOf(n)
	undone := time.Since(w.harm.unmarked[n.UID]) < forgiven
	var drained *time.Time
	if mark != nil {
		drained = mark.Drained
	}
	// It may have joined since the last look for it; it is not Ready then, and empty.
	// No more can be asked of the daemon: it lists the Nodes past its cache right before,
	// the cloud knows no condition to ask under, and what joins in those seconds has no
	// pod to lose. A request is held up for ten of them at most and still a leader's.
	if nodeReady(n) || time.Since(w.api.Born(n)) > 15*time.Second {
		w.promise(keepDrained, n.Spec.Unschedulable || undone || w.freedAfterTheLook(o, n), "instance of node %s is deleted, and the node is not cordoned", n.Name)
		w.promise(keepDrained, err == nil && mark != nil || undone, "instance of node %s is deleted without a mark", n.Name)
	}
	w.api.Each("pods", func(each client.Object) {
		p := each.(*corev1.Pod)
		left := p.DeletionTimestamp != nil && !time.Now().Before(w.api.Due(p)) // it had its grace
		// Who says so of his pod has it left alone, as by kubectl drain.
		_, mirror := p.Annotations[corev1.MirrorPodAnnotationKey]
		mirror = mirror || p.Annotations[v1alpha1.AnnotationDrain] == "skip"
		if p.Spec.NodeName == n.Name && !mirror && !daemon(p) && !ended(p) && !left && k.up && !k.sick && !w.lateGuest(p, drained) && !w.cameAfterTheLook(o, p) {
			w.promise(keepDrained, false, "instance of node %s is deleted with pod %s on it", n.Name, p.Name)
		}
	})
	w.promise(keepUnmanaged, n.Annotations[v1alpha1.AnnotationNodePoolID] == pool, "instance of node %s is deleted from another pool", n.Name)
	w.undisturbed(pool, "instance of node "+n.Name+" is deleted")
}
