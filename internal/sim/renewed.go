package sim

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
)

// What a single node's new boot volume has on it, Oracle's pages tell in two ways: what
// the node's pool gives now, or again what the node had. Where it is the latter, a run by
// new boot volumes renews nothing, and must not say that it did.

// drawVolumes has the cloud be of one kind or the other, where some pool's author wishes
// for new boot volumes; nobody else would notice.
func (w *World) drawVolumes() {
	if slices.ContainsFunc(w.pools, w.takesVolumes) && w.tape.Chance(500) {
		w.note("cloud: a new boot volume is what the node had")
		w.cloud.SetBootVolumeFrom("node")
	}
}

func (w *World) takesVolumes(id string) bool {
	p := w.poolObject(id)
	return p != nil && p.Spec.Cycle != nil && (p.Spec.Cycle.Strategy == v1alpha1.StrategyBootVolume || p.Spec.Cycle.GetFallback().BootVolume)
}

// saysDone holds a run that has just said of itself that it succeeded against the machines: each
// node of the pool runs what the pool gives now. A release that was set a moment ago is the next run's.
func (w *World) saysDone(old, next *v1alpha1.Pool) {
	last := next.Status.LastCycle
	if last == nil || last.Outcome != cycle.Succeeded || old.Status.Cycle == nil || equality.Semantic.DeepEqual(last, old.Status.LastCycle) ||
		!strings.HasPrefix(last.Request, "tidemill.dev/") && !strings.HasPrefix(last.Request, "drift=") {
		return
	}
	v, err := w.cloud.Pool(next.Spec.NodePoolID)
	if err != nil || time.Since(w.books.orders.released[v.ID]) < forgiven {
		return
	}
	for _, e := range v.Nodes {
		i, err := w.cloud.Instance(e.ID)
		k := w.kubelets[e.ID]
		if err != nil || e.State == "DELETING" || k == nil || w.nodeOf(k) == nil {
			continue
		}
		if w.skews.cloud && w.nodeOf(k).CreationTimestamp.Sub(i.Created) > forgiven {
			continue // a Node that was made again, and a cloud whose clock was set: it is taken for a new one
		}
		if _, untold, said := strings.Cut(last.Message, "Compute does not tell"); said && (strings.Contains(untold, k.node) || strings.Contains(untold, " more")) {
			continue
		}
		w.promise(keepTruth, i.KubernetesVersion == v.KubernetesVersion && i.ImageID == v.ImageID, "pool %s: %s is said to have succeeded (%s), and node %s runs %s with image %s instead of %s with %s",
			next.Name, last.Request, last.Message, k.node, i.KubernetesVersion, i.ImageID, v.KubernetesVersion, v.ImageID)
	}
}
