package sim

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// What scaling lets go it does not make again: pods would have moved for nothing, and as
// soon as the new node idles they do so once more. Where a pool keeps room for the loss of
// a zone, both are decided by one question, and nobody but scaling has a part in it: no
// pod waits, none has come or gone, and every node that worked works. So that is asked
// in the calm only, and where no clock is off and nothing else moves pods.

// seesaw is the last node that was let go, and the world that it left.
type seesaw struct {
	at     time.Time
	node   string
	usable map[string]bool
	load   []int // replicas, by app
}

// soonAgain is for how long a growth would be the contrary of what went before.
const soonAgain = 5 * time.Minute

// keepsRoom is whether a pool keeps room for the loss of a zone.
func keepsRoom(p *v1alpha1.Pool) bool {
	return p != nil && p.Spec.Scale != nil && p.Spec.Scale.ZoneLossHeadroom
}

// letsGo notes a node that scaling has just cordoned, in a world in which nobody has done
// anything for as long as a decision may take.
func (w *World) letsGo(pool string, n *corev1.Node, mark *kube.Mark) {
	w.books.seesaw = seesaw{}
	quiet := w.calm && time.Since(w.calmAt) > unheard && w.nothingElseMoves() && w.allWork()
	if quiet && mark.Cause == kube.CauseScaleDown && keepsRoom(w.poolObject(pool)) {
		usable := w.usable()
		delete(usable, n.Name)
		w.books.seesaw = seesaw{time.Now(), n.Name, usable, w.replicas()}
	}
}

// allWork is whether each machine is a node that works, or that scaling has cordoned.
func (w *World) allWork() bool {
	usable, idle := w.usable(), 0
	w.api.Each("nodes", func(o client.Object) {
		n := o.(*corev1.Node)
		if mark, _ := kube.MarkOf(n); mark != nil && mark.Cause == kube.CauseScaleDown && n.Spec.Unschedulable && w.machineOf(n) != nil && !usable[n.Name] {
			idle++
		}
	})
	machines := 0
	for _, id := range w.pools {
		v, err := w.cloud.Pool(id)
		if err != nil {
			return false
		}
		for _, e := range v.Nodes {
			if e.State != "DELETING" {
				machines++
			}
		}
	}
	return machines <= len(usable)+idle
}

// nothingElseMoves is whether pods and nodes come and go by scaling alone, and are dated
// alike by everybody.
func (w *World) nothingElseMoves() bool {
	return !w.mix.parts.neighbours && w.mix.parts.hostile == 0 && w.strayed == 0 && !slices.ContainsFunc(w.pools, func(id string) bool {
		p := w.poolObject(id)
		return p == nil || p.Status.Cycle != nil
	})
}

// madeAgain checks, when scaling asks for a larger pool, that it has not just let go what
// it asks for.
func (w *World) madeAgain(o *op, p *v1alpha1.Pool, v okesim.PoolView, to int) {
	s := w.books.seesaw
	if s.at.IsZero() || time.Since(s.at) > soonAgain || o.loop() != "scale" || to <= v.Size || !keepsRoom(p) || !w.nothingElseMoves() || w.withheld(o.p) || w.waiting() {
		return
	}
	now := w.usable()
	for name := range s.usable {
		if !now[name] {
			return
		}
	}
	w.promise(keepRest, !slices.Equal(s.load, w.replicas()), "pool %s is asked to grow %s after scaling let node %s go, no pod waits, and nothing else has changed", p.Name, time.Since(s.at), s.node)
}

// usable are the nodes of all pools that can be counted on.
func (w *World) usable() map[string]bool {
	all := map[string]bool{}
	for _, id := range w.pools {
		_, usable := w.available(id)
		maps.Copy(all, usable)
	}
	return all
}

// replicas are how many pods each app is to have.
func (w *World) replicas() []int {
	var out []int
	for _, a := range w.apps {
		out = append(out, a.replicas)
	}
	return out
}

// waiting is whether a pod has no node.
func (w *World) waiting() bool {
	found := false
	w.api.Each("pods", func(o client.Object) { found = found || o.(*corev1.Pod).Spec.NodeName == "" })
	return found
}
