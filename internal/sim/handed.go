package sim

import (
	"encoding/json"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// A run of strategy Delegate hands its pool to OKE, who cordons, empties and deletes by
// itself: none of that is a write of the daemon's, and no check of those sees it. So it
// is the request that is held against all that a cordon is: who has forbidden it, how
// many nodes may be missing, and whether somebody else has the pool in hand.

// handed is when OKE last took a pool, and for which run.
type handed struct {
	at  time.Time
	run string
	// raised is when more nodes were last desired of it than before.
	raised time.Time
}

// handing is what an update of a node pool asks of OKE's own cycling, nil for nothing.
func handing(body []byte) *okesim.Cycling {
	var put struct {
		How *struct {
			Enabled     bool   `json:"isNodeCyclingEnabled"`
			Surge       string `json:"maximumSurge"`
			Unavailable string `json:"maximumUnavailable"`
		} `json:"nodePoolCyclingDetails"`
	}
	if json.Unmarshal(body, &put) != nil || put.How == nil || !put.How.Enabled {
		return nil
	}
	return &okesim.Cycling{MaxSurge: put.How.Surge, MaxUnavailable: put.How.Unavailable}
}

// handsOver looks at a request to cycle a pool that OKE has accepted.
func (w *World) handsOver(id string, how *okesim.Cycling) {
	p := w.poolObject(id)
	v, err := w.cloud.Pool(id)
	if p == nil || p.Spec.Cycle == nil || err != nil {
		return
	}
	w.stats.kinds["delegated"]++
	w.meddle(id)
	w.undisturbed(id, "OKE is asked to cycle pool "+p.Name)
	run := p.Status.Cycle
	if run == nil || run.Strategy != v1alpha1.StrategyDelegate {
		return // it has ended since
	}
	if at, ok := w.books.aborted[id]; ok && w.runBegan(run).Add(2*time.Second).Before(at) {
		w.promise(keepHuman, time.Since(at) < forgiven, "OKE is asked to cycle pool %s %s after its run was aborted", p.Name, time.Since(at))
	}
	gate := w.closedGate(p, time.Minute+forgiven)
	w.promise(keepHuman, gate == "", "OKE is asked to cycle pool %s, and gate %s is closed", p.Name, gate)
	w.promise(keepHuman, !w.shut(p), "OKE is asked to cycle pool %s outside of its window", p.Name)
	w.handedWith(p, v, how)
	w.handedFree(p, v)
	w.handedSeldom(p)
}

// handedWith checks what OKE may do at once: no more than the pool's author allows, in a
// pool that has its size, for OKE counts from what it finds.
func (w *World) handedWith(p *v1alpha1.Pool, v okesim.PoolView, how *okesim.Cycling) {
	desired := int(p.Status.Cycle.Desired)
	surge := 1
	if s := p.Spec.Cycle.MaxSurge; s != nil {
		surge, _ = intstr.GetScaledValueFromIntOrPercent(s, desired, true)
	}
	asked, err := strconv.Atoi(how.MaxSurge)
	w.promise(keepCeiling, err == nil && asked <= surge, "OKE is asked to cycle pool %s with a surge of %q, and %d are allowed", p.Name, how.MaxSurge, surge)
	asked, err = strconv.Atoi(how.MaxUnavailable)
	w.promise(keepFloor, err == nil && asked <= mayMiss(p, desired), "OKE is asked to cycle pool %s with %q unavailable, and %d may be", p.Name, how.MaxUnavailable, mayMiss(p, desired))
	if !w.books.orders.inDoubt[v.ID] && time.Since(w.books.handed[v.ID].raised) > unheard {
		w.promise(keepFloor, v.Size >= desired, "OKE is asked to cycle pool %s at a size of %d, and %d are desired", p.Name, v.Size, desired)
	}
}

// handedFree checks that the daemon has no node of the pool in hand that it hands over:
// OKE would not count it as missing.
func (w *World) handedFree(p *v1alpha1.Pool, v okesim.PoolView) {
	if d := p.Spec.Cycle.Drain; d != nil && d.OnTimeout == v1alpha1.DrainQuarantine {
		return // what is in quarantine stays there
	}
	w.api.Each("nodes", func(o client.Object) {
		n := o.(*corev1.Node)
		k := w.machineOf(n)
		mark, _ := kube.MarkOf(n)
		if mark == nil || k == nil || k.inst.PoolID != v.ID || mark.Cause == kube.CauseScaleDown {
			return
		}
		w.promise(keepOneHand, time.Since(mark.Since) < forgiven, "OKE is asked to cycle pool %s, and node %s has been marked for %s (%s %s)", p.Name, n.Name, time.Since(mark.Since), mark.Cause, mark.Reason)
	})
}

// seldom is how long OKE is left alone at least when it has ended, for the same run.
const seldom = 270 * time.Second

// handedSeldom checks that OKE is left alone between two requests of one run. By which
// clock the last was written down is anybody's guess where clocks differ, and whoever
// takes the Pool's status away takes that with it.
func (w *World) handedSeldom(p *v1alpha1.Pool) {
	id, run := p.Spec.NodePoolID, p.Status.Cycle.Request+" "+p.Status.Cycle.StartedAt.UTC().Format(time.RFC3339)
	last := w.books.handed[id]
	if last.run == run && w.strayed == 0 && w.mix.parts.hostile == 0 {
		w.promise(keepBounded, time.Since(last.at) > seldom, "OKE is asked again to cycle pool %s, %s after it was asked last", p.Name, time.Since(last.at))
	}
	w.books.handed[id] = handed{time.Now(), run, last.raised}
}

// desires looks at a run that is to have more nodes.
func (w *World) desires(old, next *v1alpha1.Pool) {
	if a, b := old.Status.Cycle, next.Status.Cycle; a != nil && b != nil && b.Desired > a.Desired {
		h := w.books.handed[next.Spec.NodePoolID]
		w.thrifty(w.actor, old, int(a.Desired), int(b.Desired))
		h.raised = time.Now()
		w.books.handed[next.Spec.NodePoolID] = h
	}
}

// hisTurn checks, when a run has just cordoned a node, that OKE has not been cycling the
// pool for a while on behalf of the same run.
func (w *World) hisTurn(pool, node string) {
	p := w.poolObject(pool)
	if p == nil || p.Status.Cycle == nil || p.Status.Cycle.Strategy != v1alpha1.StrategyDelegate {
		return
	}
	if at, ok := w.books.aborted[pool]; ok && w.runBegan(p.Status.Cycle).Before(at) {
		return
	}
	for _, r := range w.cloud.WorkRequests() {
		if r.Operation == "NODEPOOL_CYCLING" && r.PoolID == pool && r.Finished.IsZero() {
			w.promise(keepOneHand, time.Since(r.Accepted) < forgiven, "node %s was cordoned, and OKE has been cycling its pool for %s", node, time.Since(r.Accepted))
		}
	}
}

// opens is when the window of tastes.go opens; a history begins at midnight.
const opens = 5 * time.Minute

// shut is whether a pool's window has never been open, whatever clock one goes by.
func (w *World) shut(p *v1alpha1.Pool) bool {
	return p.Spec.Cycle != nil && len(p.Spec.Cycle.Windows) > 0 && w.strayed == 0 && time.Since(w.began) < opens
}
