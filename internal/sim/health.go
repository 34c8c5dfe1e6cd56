package sim

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/sim/model"
	"github.com/tidemill/tidemill/internal/world"
)

// What a machine's health truly is, since when, and what follows from it for the
// doctor: he may believe neither himself nor what he wrote yesterday. So that a
// verdict that is wrong excuses nothing, these checks ask the machines.

// health is whether anything is wrong with a machine or its Node, and since when it is
// so.
type health struct {
	bad   bool
	since time.Time
}

// bootGrace is how long the doctor waits for a new node by default.
const bootGrace = 20 * time.Minute

// belated is for how long a verdict, a request or a mark may be older than what it is
// about: the doctor looks every two minutes when nothing is written, and says "well"
// when the kubelet has said so. A watch may hang for four minutes, in the calm too; he is
// woken by what it tells then. While faults last, that adds up with others.
const (
	belated     = 5 * time.Minute
	belatedMore = 10 * time.Minute
)

func (w *World) lateness(since time.Time) time.Duration {
	if w.calm && since.After(latest(w.healed, w.led)) {
		return belated
	}
	return belatedMore
}

// examine brings what is known of all machines up to date.
func (w *World) examine(now time.Time) {
	w.ledSince(now)
	w.tickWhy(now)
	for _, id := range w.order {
		k := w.kubelets[id]
		if k.removed {
			continue
		}
		n := w.nodeOf(k)
		bad := k.ill != well || k.sick || k.dead || !k.up || n == nil || !nodeReady(n)
		if k.health.since.IsZero() || bad != k.health.bad {
			k.health = health{bad, now}
		}
		if n != nil {
			w.stands(k, n, now)
		}
	}
}

// wellFor is for how long nothing has been wrong with a Node's machine; 0 for one
// that is not known, or ill.
func (w *World) wellFor(n *corev1.Node) time.Duration {
	k := w.kubelets[n.Spec.ProviderID]
	if k == nil || k.health.bad || k.health.since.IsZero() || k.ill != well || k.sick || !nodeReady(n) {
		return 0
	}
	return time.Since(k.health.since)
}

// badFor is the same of one that is ill.
func (k *kubelet) badFor() time.Duration {
	if !k.health.bad {
		return 0
	}
	return time.Since(k.health.since)
}

// verdict is what the doctor says of a node; zero where he has said nothing.
func verdict(n *corev1.Node) corev1.NodeCondition {
	if c := (&world.Node{Object: n}).Condition(v1alpha1.NodeConditionProblem); c != nil {
		return *c
	}
	return corev1.NodeCondition{}
}

// condemned is whether he says that the node has a problem.
func condemned(n *corev1.Node) bool { return verdict(n).Status == corev1.ConditionTrue }

// stands checks what is on a Node for longer than it may be.
func (w *World) stands(k *kubelet, n *corev1.Node, now time.Time) {
	if !w.calm || now.Sub(latest(w.healed, w.led)) < belated {
		return
	}
	if fine := w.wellFor(n); fine > belated && condemned(n) {
		w.promise(keepIll, hostFails(n), "node %s is said to have a problem, and nothing has been wrong with it for %s: %s", n.Name, fine, problem(n))
	}
	w.drainsEnd(n, now)
	w.givenBack(n, now)
}

func problem(n *corev1.Node) string { return verdict(n).Reason + ": " + verdict(n).Message }

// drainsEnd checks that a drain that does not come to its end is given up in its time,
// for the daemon looks every two minutes. It goes by when the drain was seen to begin,
// and not by what the mark says of it.
func (w *World) drainsEnd(n *corev1.Node, now time.Time) {
	pool := n.Annotations[v1alpha1.AnnotationNodePoolID]
	mark, err := kube.MarkOf(n)
	if err != nil || mark == nil || mark.DrainStarted == nil || mark.Drained != nil {
		return
	}
	since := latest(w.books.drains[string(n.UID)], w.healed, w.led, w.books.unpaused[pool])
	_, paused := w.books.paused[pool]
	p := w.poolObject(pool)
	paused = paused || asksOn(p) && mark.Cause != kube.CauseScaleDown
	w.promise(keepBounded, paused || now.Sub(since) < drainTime(p)+belated, "the drain of node %s has not ended %s after its begin", n.Name, now.Sub(w.books.drains[string(n.UID)]))
}

// standsEmpty notes since when a node is marked as empty. When pods have come to it, the
// time for which it stood so, a soak perhaps, is none of its drain's: what the mark says
// of that, but no more than was seen.
func (w *World) standsEmpty(uid string, before, mark *kube.Mark) {
	was, is := before != nil && before.Drained != nil, mark != nil && mark.Drained != nil
	switch since, known := w.books.emptied[uid]; {
	case is && !was:
		w.books.emptied[uid] = time.Now()
	case was && !is && known && mark != nil && mark.DrainStarted != nil && before.DrainStarted != nil:
		stood := min(time.Since(since), mark.DrainStarted.Sub(*before.DrainStarted))
		w.books.drains[uid] = w.books.drains[uid].Add(stood)
	}
}

// drainTime is how long a drain may take: what the Pool says, or half an hour by default,
// as where a pool is only scaled. Force has its own time beyond that, and pods of Jobs
// theirs before it.
func drainTime(p *v1alpha1.Pool) time.Duration {
	d := drainOf(p)
	if d == nil {
		return 30 * time.Minute
	}
	out := d.Timeout.Duration
	for _, more := range []*metav1.Duration{d.ForceAfter, d.WaitForJobs} {
		if more != nil {
			out += more.Duration
		}
	}
	return out
}

// asksOn is whether a node of the pool that does not become empty is asked on for as
// long as that takes.
func asksOn(p *v1alpha1.Pool) bool {
	d := drainOf(p)
	return d != nil && (d.OnTimeout == v1alpha1.DrainQuarantine || d.OnTimeout == v1alpha1.DrainPause)
}

// drainOf is what a Pool says of how its nodes are emptied, nil where it says nothing.
func drainOf(p *v1alpha1.Pool) *v1alpha1.DrainSpec {
	if p == nil || p.Spec.Cycle == nil {
		return nil
	}
	return p.Spec.Cycle.Drain
}

// givenBack checks that what a run had cordoned is given back soon after it was
// aborted. A node that asks for itself is not the run's alone.
func (w *World) givenBack(n *corev1.Node, now time.Time) {
	pool := n.Annotations[v1alpha1.AnnotationNodePoolID]
	at, ok := w.books.aborted[pool]
	p := w.poolObject(pool)
	mark, err := kube.MarkOf(n)
	if !ok || p == nil || err != nil || mark == nil || mark.Cause != kube.CauseCycle || mark.Acted != nil || !mark.Cordoned {
		return
	}
	if r := mark.Reason; r != "Outdated" || n.Annotations[v1alpha1.AnnotationCycle] != "" || !mark.Since.Before(at) {
		return
	}
	if run := p.Status.Cycle; run != nil && !w.runBegan(run).Before(at) {
		return // another run, which may want it
	}
	if v, err := w.cloud.Pool(pool); err == nil && p.Status.Cycle != nil && v.Size > int(p.Status.Cycle.Desired) && !w.works(n) {
		return // of what the run has beyond the pool's size, what does not work goes first
	}
	since := latest(at, w.healed, w.led)
	w.promise(keepHuman, now.Sub(since) < belated || w.leaving(n), "node %s is still cordoned %s after its run was aborted", n.Name, now.Sub(at))
}

// leaving is whether the machine of a Node is on its way out.
func (w *World) leaving(n *corev1.Node) bool {
	v, err := w.cloud.Pool(n.Annotations[v1alpha1.AnnotationNodePoolID])
	if err != nil {
		return true
	}
	for _, e := range v.Nodes {
		if e.ID == n.Spec.ProviderID {
			return e.State == "DELETING"
		}
	}
	return true
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(times ...time.Time) time.Time {
	var out time.Time
	for _, t := range times {
		if t.After(out) {
			out = t
		}
	}
	return out
}

// watchVerdict looks at a Node on which the doctor has just written.
func (w *World) watchVerdict(old, next *corev1.Node) {
	w.noIllness(next)
	if fine := w.wellFor(next); condemned(next) && !condemned(old) {
		w.promise(keepIll, fine < w.lateness(time.Now().Add(-fine)) || hostFails(next), "node %s is condemned, and nothing has been wrong with it for %s: %s", next.Name, fine, problem(next))
	}
	if k := w.kubelets[next.Spec.ProviderID]; k != nil && passed(next) {
		k.joined = next.UID
	}
	if asksRepair(next) && !asksRepair(old) {
		w.watchRepair(next)
		w.looksOn(next)
	}
	if was, _ := kube.MarkOf(old); was == nil {
		if is, _ := kube.MarkOf(next); is != nil && is.Cause == kube.CauseRepair {
			fine := w.wellFor(next)
			w.promise(keepIll, fine < w.lateness(time.Now().Add(-fine)), "node %s is taken for a repair, and nothing has been wrong with it for %s", next.Name, fine)
		}
	}
}

// watchRepair checks that a repair that is being asked for may be: nobody has paused
// the pool, its node is ill, few others are, and none of them is in repair.
func (w *World) watchRepair(n *corev1.Node) {
	pool := n.Annotations[v1alpha1.AnnotationNodePoolID]
	p := w.poolObject(pool)
	if p == nil {
		return
	}
	now, fine := time.Now(), w.wellFor(n)
	w.promise(keepIll, fine < w.lateness(now.Add(-fine)), "a repair of node %s is asked for, and nothing has been wrong with it for %s", n.Name, fine)
	if at, ok := w.books.paused[pool]; ok {
		w.promise(keepPaused, now.Sub(at) < w.lateness(at), "a repair of node %s is asked for %s after its pool was paused", n.Name, now.Sub(at))
	}
	if key := string(n.UID); w.calm {
		w.books.repairs[key]++
		w.promise(keepBounded, w.books.repairs[key] <= 3, "a repair of node %s is asked for the %d. time", n.Name, w.books.repairs[key])
	}
	total, ill, asked := 0, 0, 0
	w.api.Each("nodes", func(o client.Object) {
		other := o.(*corev1.Node)
		k := w.kubelets[other.Spec.ProviderID]
		if k == nil || other.Annotations[v1alpha1.AnnotationNodePoolID] != pool {
			return
		}
		total++
		// One that a run has emptied, and whose machine goes, is expected to fail.
		if k.badFor() > 2*time.Minute && k.ill != faulty && !w.leaving(other) && w.api.Born(other).Add(w.waitsFor(k, other)).Before(now) {
			ill++
		}
		if mark, _ := kube.MarkOf(other); other.Name != n.Name && (asksRepair(other) && !(&world.Pool{Object: p}).Aborted(&world.Node{Object: other}) || mark != nil && mark.Cause == kube.CauseRepair) {
			asked++
		}
	})
	w.promise(keepBrake, ill <= max(1, total/5), "pool %s: a repair of node %s is asked for, and %d of %d nodes are ill: a common cause is likelier", p.Name, n.Name, ill, total)
	if w.calm && now.Sub(latest(w.healed, w.led)) > belated {
		w.promise(keepBrake, asked == 0, "pool %s: a repair of node %s is asked for beside %d others", p.Name, n.Name, asked)
	}
}

// waitsFor is how long after a Node came to be it may be ill without being counted: one
// that the doctor has never found well has its time to become so.
func (w *World) waitsFor(k *kubelet, n *corev1.Node) time.Duration {
	if k.joined == n.UID {
		return belated
	}
	return bootGrace + belated
}

// heldBack is by how many nodes a pool was short before a run, by people's doing, when
// the Node that goes is one that the run had added: it may take that away again, and
// the pool is as it was.
func (w *World) heldBack(going *corev1.Node) int {
	if mark, err := kube.MarkOf(going); err != nil || mark == nil || mark.Reason != string(cycle.Surplus) {
		return 0
	}
	held := 0
	w.api.Each("nodes", func(o client.Object) {
		n := o.(*corev1.Node)
		if n.Annotations[v1alpha1.AnnotationNodePoolID] == going.Annotations[v1alpha1.AnnotationNodePoolID] && w.books.cordoned[string(n.UID)] {
			held++
		}
	})
	return held
}

// ledSince notes since when there has been a leader. Two processes that have both lost
// the Lease and go on are no daemon, for ten minutes: nobody may blame it then.
func (w *World) ledSince(now time.Time) {
	if l, ok := w.api.Find("leases", "tidemill-system", "tidemill").(*coordinationv1.Lease); !ok || !w.holds(l, now) {
		w.led = now
		w.soon(now.Add(time.Minute)) // it is looked at again
	}
}

// watchElection sees each write of the Lease, for a time without a leader may begin and
// end in a world that sleeps: whoever writes first after it is the leader that ended it.
func (w *World) watchElection(c model.Commit, lease string) {
	old, _ := c.Old.(*coordinationv1.Lease)
	if now := time.Now(); lease == "tidemill" && (c.Next == nil || old == nil || !w.holds(old, now)) {
		w.led = now
	}
}

// holds is whether a Lease is somebody's at that time.
func (w *World) holds(l *coordinationv1.Lease, now time.Time) bool {
	s := l.Spec
	return s.HolderIdentity != nil && *s.HolderIdentity != "" && s.RenewTime != nil && now.Before(w.renewed(l).Add(w.mix.lease.duration))
}
