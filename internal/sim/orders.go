package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// What is ordered of the cloud is held against what people have ordered, against what
// the cloud has just refused, and against what whoever orders can know.

// orders remember what was asked of each pool.
type orders struct {
	// wished is the size that a person has given a pool; a pool whose size somebody has
	// typed while a run had it is in doubt: what the run must make of it depends on
	// which of the two came first.
	wished  map[string]int
	inDoubt map[string]bool
	// heard is when the cloud last answered a process.
	heard map[string]time.Time
	// walls are since when no launch of a pool succeeds; walked is how often each loop
	// has asked such a pool to grow all the same.
	walls  map[string]time.Time
	walked map[string]int
	// looked is when the pods of a node were last listed, live; bound, when a pod was
	// put on a node by its name.
	looked, bound map[string]time.Time
	freed         map[string]time.Time // Nodes by UID, when a person made them schedulable
	released      map[string]time.Time // pools, when one was last given another release
	// checked is when the loop that empties nodes last read one by its name.
	checked map[string]time.Time
}

func newOrders() orders {
	return orders{wished: map[string]int{}, inDoubt: map[string]bool{}, heard: map[string]time.Time{}, walls: map[string]time.Time{}, walked: map[string]int{},
		looked: map[string]time.Time{}, bound: map[string]time.Time{}, freed: map[string]time.Time{}, released: map[string]time.Time{}, checked: map[string]time.Time{}}
}

// loop is the one that asks: the second word of the key.
func (o *op) loop() string {
	_, rest, _ := strings.Cut(o.key, " ")
	name, _, _ := strings.Cut(rest, " ")
	return name
}

// sizeIn is the size that an update of a node pool asks for.
func sizeIn(body []byte) (int, bool) {
	var put struct {
		NodeConfigDetails struct {
			Size *int `json:"size"`
		} `json:"nodeConfigDetails"`
	}
	if json.Unmarshal(body, &put) != nil || put.NodeConfigDetails.Size == nil {
		return 0, false
	}
	return *put.NodeConfigDetails.Size, true
}

// poolIn is the node pool that an update is about, "" for any other request.
func poolIn(r *http.Request) string {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.Method != http.MethodPut || len(parts) != 3 || parts[1] != "nodePools" {
		return ""
	}
	return parts[2]
}

// sent notes the size that a pool had when its update was sent.
func (w *World) sent(o *op) {
	if id := poolIn(o.cloud); id != "" {
		if v, err := w.cloud.Pool(id); err == nil {
			o.from = v.Size
		}
	}
}

// outdated is whether the size has changed since: whoever has changed it would be
// overruled by somebody who does not know of it.
func (w *World) outdated(o *op) (now int, yes bool) {
	id := poolIn(o.cloud)
	if _, sizes := sizeIn(o.body); id == "" || !sizes {
		return 0, false
	}
	v, err := w.cloud.Pool(id)
	return v.Size, err == nil && v.Size != o.from
}

// landed looks at a write that the cloud has accepted. A machine that was launched
// while the order was on its way is lost only then: the condition that the order was
// sent under is there to have it refused.
func (w *World) landed(o *op) {
	if id := poolIn(o.cloud); id != "" {
		if _, sizes := sizeIn(o.body); !sizes {
			w.books.orders.released[id] = time.Now()
		}
		if how := handing(o.body); how != nil {
			w.handsOver(id, how)
		}
		w.promise(keepCeiling, o.needless == "", "%s", o.needless)
		if o.vain {
			w.walks(o, id)
		}
		w.promise(keepDrained, o.costs == 0, "%s: a size was accepted with %d machines living beyond it", o.key, o.costs)
		w.promise(keepHuman, !o.late, "%s: a size that was decided on when the pool had %d was accepted, and somebody had changed it since", o.key, o.from)
	}
}

// hear notes that the cloud has answered a process about its pools.
func (w *World) hears(o *op, status int) {
	if status < 300 && !o.writes() && strings.Contains(o.cloud.URL.Path, "/nodePools") {
		w.books.orders.heard[o.p.name] = time.Now()
	}
}

// informed checks, when a node has just been cordoned, that the cloud has been heard
// of for as long as a decision may take to be carried out.
func (w *World) informed(node string) {
	if w.actor == nil {
		return
	}
	at := w.books.orders.heard[w.actor.p.name]
	w.promise(keepNews, time.Since(at) < forgiven, "node %s was cordoned, and the cloud was last heard of %s ago", node, time.Since(at))
}

// oneHand checks that scaling takes no node of a pool whose size a run has.
func (w *World) oneHand(pool, node string, mark *kube.Mark) {
	p := w.poolObject(pool)
	if p == nil || mark.Cause != kube.CauseScaleDown {
		return
	}
	since := time.Duration(0)
	if run := p.Status.Cycle; run != nil {
		since = time.Since(w.runBegan(run))
	}
	w.promise(keepOneHand, since < forgiven, "node %s was cordoned for scaling down, and a run has had the pool for %s", node, since)
}

// hadItsTime checks that scaling gives no machine up before it had the time to become
// a node; a run has a time of its own, and need not wait for what is not wanted any more.
func (w *World) hadItsTime(o *op, k *kubelet) {
	if o.loop() == "scale" {
		age := time.Since(k.made)
		w.promise(keepDrained, age > 20*time.Minute, "machine %s is given up %s after its creation", k.inst.Name, age)
	}
}

// tries are how often each loop may ask a pool to grow of which nothing comes.
var tries = map[string]int{"scale": 4, "cycle": 12}

// intoWall is whether somebody is to have more machines of a pool of which nobody has got
// one for a while.
func (w *World) intoWall(v okesim.PoolView, to int) bool {
	at, ok := w.books.orders.walls[v.ID]
	return ok && to > v.Size && time.Since(at) >= 30*time.Second
}

// walks counts such orders, of those that the cloud has accepted: who is refused, since
// what he knows of the pool is old, has asked for no launch.
func (w *World) walks(o *op, pool string) {
	key := o.loop() + " " + pool
	w.books.orders.walked[key]++
	n, limit := w.books.orders.walked[key], tries[o.loop()]
	w.promise(keepBounded, n <= limit, "pool %s is asked to grow by %s for the %d. time, and no launch has succeeded for %s", pool, o.loop(), n, time.Since(w.books.orders.walls[pool]))
}

// cameAfterTheLook is whether a pod was put on its node by name, after the last look
// at the node's pods: between that look and the deletion is nothing but the request,
// and the cloud has no condition to send it under.
func (w *World) cameAfterTheLook(o *op, p *corev1.Pod) bool {
	at, ok := w.books.orders.bound[string(p.UID)]
	return ok && w.sentAtOnce(o, p.Spec.NodeName) && at.After(w.books.orders.looked[p.Spec.NodeName])
}

// freedAfterTheLook is the same of a node that a person has made schedulable: whoever
// stands still with the request in hand has seen it cordoned.
func (w *World) freedAfterTheLook(o *op, n *corev1.Node) bool {
	at, ok := w.books.orders.freed[string(n.UID)]
	return ok && w.sentAtOnce(o, n.Name) && at.After(w.books.orders.looked[n.Name])
}

// fresh is how old a look may be when the request is sent that was decided on it. However
// long that one then takes on its way is nobody's fault; but who has waited before, since
// the cloud was busy, has had the time to look again.
const fresh = 5 * time.Second

// sentAtOnce is whether a node's pods were looked at, for the last time, right before the
// request was sent.
func (w *World) sentAtOnce(o *op, node string) bool {
	looked := w.books.orders.looked[node]
	return !looked.IsZero() && o.at.Sub(looked) < fresh && time.Since(looked) < time.Minute
}

// looks notes a look at the pods of one node, or at the node itself.
func (w *World) looks(o *op) {
	if name := podsLookedAt(o); name != "" {
		w.books.orders.looked[name] = time.Now()
	}
	if looksAtNode(o) && o.loop() == "cycle" {
		w.books.orders.checked[strings.TrimPrefix(o.kube.Path, nodesPath)] = time.Now()
	}
}

// takenBack is whether a person has made the node schedulable, and whoever evicts pods
// from it could have seen that: he has read the Node since, or not for the time that
// the evictions of one look may take.
func (w *World) takenBack(n *corev1.Node) bool {
	at, ok := w.books.orders.freed[string(n.UID)]
	checked := w.books.orders.checked[n.Name]
	return ok && !n.Spec.Unschedulable && (checked.After(at) || time.Since(checked) > 2*forgiven)
}

// podsLookedAt is the node whose pods are listed, "" for any other request.
func podsLookedAt(o *op) string {
	if o.kube.Method != http.MethodGet || !strings.HasSuffix(o.kube.Path, "/pods") {
		return ""
	}
	name, ok := strings.CutPrefix(o.kube.Query.Get("fieldSelector"), "spec.nodeName=")
	if !ok {
		return ""
	}
	return name
}

// typed notes the size that a person has given a pool.
func (w *World) typed(id string, size int) {
	if p := w.poolObject(id); p == nil || p.Status.Cycle != nil {
		w.books.orders.inDoubt[id] = true
	}
	w.books.orders.wished[id] = size
}

// checkSize is asked at rest: where nothing scales, a pool has the size that people
// have given it.
func (w *World) checkSize(id string, v okesim.PoolView) {
	want, ok := w.books.orders.wished[id]
	p := w.poolObject(id)
	if !ok || p == nil || p.Spec.Scale != nil || w.books.orders.inDoubt[id] || w.outgrown(id) || w.heldUp(p, v) {
		return
	}
	if last := p.Status.LastCycle; last != nil && strings.Contains(last.Message, fmt.Sprintf("the pool is left at a size of %d instead of %d", v.Size, want)) {
		return // a run that was aborted could not be tidied up, and says so
	}
	w.promise(keepEnd, v.Size == want, "pool %s has a size of %d, and nobody has asked for another than %d", v.Name, v.Size, want)
}

// checkTold holds an event against the world.
func (w *World) checkTold(reason string, about any) {
	n, ok := about.(*corev1.Node)
	if !ok || reason != "InstanceDeleted" {
		return
	}
	for _, id := range w.pools {
		v, err := w.cloud.Pool(id)
		if err != nil {
			continue
		}
		for _, e := range v.Nodes {
			if e.ID == n.Spec.ProviderID {
				w.promise(keepTruth, e.State == "DELETING", "an event says that the machine of node %s was deleted, and it is %s", n.Name, e.State)
			}
		}
	}
}
