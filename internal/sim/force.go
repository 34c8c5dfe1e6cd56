package sim

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/sim/model"
	"github.com/tidemill/tidemill/internal/world"
)

// Where a Pool's author has said onTimeout Force, and only there, a pod may be deleted
// against a budget: when its node's drain has had its time and what forceAfter adds,
// after the Eviction API has refused it, one pod in half a minute, by its own grace,
// itself and not one of the same name, and never one that an annotation protects or that
// nobody would make again.

// forceGap is the least time between two pods that one process deletes.
const forceGap = 30 * time.Second

// refusals are what is known of evictions and deletions of pods.
type refusals struct {
	refused map[string]time.Time // when a pod's eviction was refused last
	forced  map[string]time.Time // when a process deleted a pod last
}

func newRefusals() refusals {
	return refusals{map[string]time.Time{}, map[string]time.Time{}}
}

// asks notes what has become of a request to evict a pod.
func (w *World) asks(o *op, r model.Response) {
	if pod, ok := strings.CutSuffix(o.kube.Path, "/eviction"); ok && r.Status == 429 {
		w.books.refusals.refused[pod] = time.Now()
	}
}

// forces checks that a pod may be deleted.
func (w *World) forces(writer string, p *corev1.Pod) {
	n, ok := w.api.Find("nodes", "", p.Spec.NodeName).(*corev1.Node)
	if !ok || n == nil {
		w.promise(keepEviction, false, "pod %s, which is on no node, was deleted", p.Name)
		return
	}
	pool := n.Annotations[v1alpha1.AnnotationNodePoolID]
	if _, gone := w.harm.gone[pool]; gone {
		return // the Pool that said so was there a moment ago
	}
	drain := forcing(w.poolObject(pool))
	w.promise(keepEviction, drain != nil, "pod %s was deleted, and onTimeout of its pool is not Force", p.Name)
	if drain == nil {
		return
	}
	now, began := time.Now(), w.books.drains[string(n.UID)]
	patience := drain.Timeout.Duration
	if drain.ForceAfter != nil {
		patience += drain.ForceAfter.Duration
	}
	w.promise(keepEviction, now.Sub(began)+w.strayed+time.Second >= patience, "pod %s was deleted %s after the drain of its node began, not after %s", p.Name, now.Sub(began), patience)
	refused, asked := w.books.refusals.refused["/api/v1/namespaces/"+p.Namespace+"/pods/"+p.Name]
	w.promise(keepEviction, asked && now.Sub(refused) < forgiven, "pod %s was deleted, and no eviction of it was refused lately", p.Name)
	last, before := w.books.refusals.forced[writer]
	w.promise(keepEviction, !before || now.Sub(last) >= forceGap, "pod %s was deleted %s after another one", p.Name, now.Sub(last))
	w.books.refusals.forced[writer] = now
	w.promise(keepEviction, w.actor != nil && strings.Contains(string(w.actor.body), string(p.UID)), "pod %s was deleted by its name alone", p.Name)
	protected, _ := world.DoNotDisrupt(p.Annotations, p.CreationTimestamp.Time, now)
	w.promise(keepEviction, !protected && metav1.GetControllerOf(p) != nil, "pod %s was deleted, and is protected or nobody's", p.Name)
}

// forcing is how a pool's nodes are emptied, nil where no pod may be deleted.
func forcing(p *v1alpha1.Pool) *v1alpha1.DrainSpec {
	if d := drainOf(p); d != nil && d.OnTimeout == v1alpha1.DrainForce {
		return d
	}
	return nil
}
