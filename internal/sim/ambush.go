package sim

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// Between a decision and its deed is a moment in which somebody else may act. It is
// short, and a person who acts at any time hits it in one history of a thousand. So
// some lie in wait for it: they act when the daemon has a request of a kind under way,
// right before it is carried out; in the calm too, in which most of the work is done.
//
//	look ──► decide ──► request sent ──┬──► carried out
//	                                   └─ somebody is quicker
type ambush struct {
	which func(*op) bool
	do    func(*op)
}

// await has somebody wait for such a request.
func (w *World) await(which func(*op) bool, do func(*op)) {
	w.ambushes = append(w.ambushes, ambush{which, do})
}

// spring has those act who have waited for one of these requests, one in a step. The
// calm is counted from the last one on: a leader who is asked to go has another begin
// the times of what he was about to give up.
func (w *World) spring(ops []*op) bool {
	for i, a := range w.ambushes {
		if at := slices.IndexFunc(ops, a.which); at >= 0 {
			w.note("moment: %s", ops[at].key)
			w.ambushes = slices.Delete(w.ambushes, i, i+1)
			w.moved, w.calmAt = true, time.Now()
			a.do(ops[at])
			return true
		}
	}
	return false
}

const nodesPath = "/api/v1/nodes/"

// looksAtNode is a live look at one node.
func looksAtNode(o *op) bool {
	return o.kube != nil && o.kube.Method == "GET" && strings.HasPrefix(o.kube.Path, nodesPath)
}

// looksAtEmpty is the live look at a node before its machine is deleted; the looks
// before it are those before its pods are asked to leave.
func (w *World) looksAtEmpty(o *op) bool {
	if !looksAtNode(o) {
		return false
	}
	n := w.nodeIn(o)
	if n == nil {
		return false
	}
	m, err := kube.MarkOf(n)
	return err == nil && m != nil && m.Drained != nil
}

// looksAtPods is the live look at one node's pods, likewise.
func looksAtPods(o *op) bool { return o.kube != nil && podsLookedAt(o) != "" }

// evicts is a pod that is asked to leave.
func evicts(o *op) bool {
	return o.kube != nil && o.kube.Method == "POST" && strings.HasSuffix(o.kube.Path, "/eviction")
}

// cordons is a write that puts a node's cordon on.
func cordons(o *op) bool {
	return o.kube != nil && o.kube.Method == "PATCH" && strings.HasPrefix(o.kube.Path, nodesPath) && strings.Contains(string(o.body), `"unschedulable":true`)
}

func resizesPool(o *op) bool {
	if o.cloud == nil || poolIn(o.cloud) == "" {
		return false
	}
	_, ok := sizeIn(o.body)
	return ok
}

func deletesMachine(o *op) bool { return o.cloud != nil && o.cloud.Method == "DELETE" }

// writing are the kinds of request that matter when their sender goes.
var writing = []func(*op) bool{cordons, resizesPool, deletesMachine}

// busy is OKE's answer while something else is done to a pool.
var busy = fault{"busy", func(w *World, o *op) answer { return o.refusal(409, "the node pool is being updated") }}

// throttled is OKE's answer to whoever asks too much of it: to come back in a while.
var throttled = fault{"429", func(w *World, o *op) answer {
	a := o.refusal(429, "too many requests, please try again later")
	a.r.Header.Set("Retry-After", "9")
	return a
}}

// wantMeanwhile is what happens while a deletion waits for the cloud: a person wants the
// node back, or a controller puts a pod on it.
func (w *World) wantMeanwhile(o *op) {
	w.grant(o, &throttled)
	parts := strings.Split(o.cloud.URL.Path, "/")
	k := w.kubelets[parts[len(parts)-1]]
	if k == nil {
		return
	}
	byName := w.tape.Pick(2) == 1
	w.errandIn(6*time.Second, "wants the machine that is about to be deleted", func() {
		n := w.nodeOf(k)
		switch {
		case n == nil || !n.Spec.Unschedulable:
		case byName:
			w.bindTo(n)
		default:
			w.cordon(n, false)
		}
	})
}

// lagBehind has the cloud carry out a new size, and answer for some seconds as it did
// before: from replicas that have not heard of it.
func (w *World) lagBehind(o *op) {
	w.grant(o, nil)
	w.lagUntil(time.Now().Add(20 * time.Second))
}

func (w *World) lagUntil(end time.Time) {
	w.await(readsPools, func(o *op) {
		if time.Now().Before(end) {
			w.grant(o, &lags)
			w.lagUntil(end)
		} else {
			w.grant(o, nil)
		}
	})
}

// readsPools is a look at node pools.
func readsPools(o *op) bool {
	return o.cloud != nil && o.cloud.Method == "GET" && strings.Contains(o.cloud.URL.Path, "/nodePools")
}

// lags is a replica of the cloud that answers as it did the last time.
var lags = fault{"stale", func(w *World, o *op) answer {
	w.cloud.FailNext("*", 1, okesim.HTTPFault{Stale: true})
	return w.serve(o)
}}

// nodeIn is the Node that a request is about.
func (w *World) nodeIn(o *op) *corev1.Node {
	n, _ := w.api.Find("nodes", "", strings.TrimPrefix(o.kube.Path, nodesPath)).(*corev1.Node)
	return n
}

// uncordonFirst is a person who wants the node back.
func (w *World) uncordonFirst(o *op) {
	if n := w.nodeIn(o); n != nil {
		w.cordon(n, false)
	}
}

// takeBackUnseen is a person who wants a node back whose pods are asked to leave, and a
// watch that does not tell.
func (w *World) takeBackUnseen(o *op) {
	at := strings.Split(o.kube.Path, "/") // /api/v1/namespaces/NAMESPACE/pods/NAME/eviction
	p, ok := w.api.Find("pods", at[4], at[6]).(*corev1.Pod)
	if !ok {
		return
	}
	if n, ok := w.api.Find("nodes", "", p.Spec.NodeName).(*corev1.Node); ok && n.Spec.Unschedulable {
		w.blind("/nodes?")
		w.cordon(n, false)
	}
}

// cordonFirst is a person who cordons the node a moment before the daemon, for a while.
func (w *World) cordonFirst(o *op) {
	if n := w.nodeIn(o); n != nil && !n.Spec.Unschedulable {
		w.cordon(n, true)
		w.errandIn(4*time.Minute, "uncordons the node that was about to be cordoned", func() { w.personCordons(false) })
	}
}

// resizeFirst is a person in the console, a moment before the daemon.
func (w *World) resizeFirst(o *op) { w.enlarge(poolIn(o.cloud), 1) }

// bindByName is a controller that names the node of its pods itself, past the
// scheduler and so past every cordon: the node is looked at for the last time.
func (w *World) bindByName(o *op) {
	if n, _ := w.api.Find("nodes", "", podsLookedAt(o)).(*corev1.Node); n != nil {
		w.bindTo(n)
	}
}

// bindTo puts a pod on a node that was emptied.
func (w *World) bindTo(n *corev1.Node) {
	a := w.apps[1]
	if a.replicas >= 24 {
		return
	}
	if m, err := kube.MarkOf(n); err != nil || m == nil || m.Drained == nil {
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
