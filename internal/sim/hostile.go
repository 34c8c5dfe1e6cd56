package sim

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// In some runs there are people who mean harm, or know no better. All that they do a
// real API server would let them do: what it refuses is refused before anybody has to
// suffer it. They scrawl into every key that tidemill reads (scrawls.go), plant objects
// of every kind that it watches (impostors.go), run controllers that undo what it
// writes (foes.go), and take away what is its own (vandals.go). It ends with the
// faults: an operator comes and puts things right, and then all promises hold as they
// did throughout.

// hostileSpace is the namespace of who may write pods and budgets in one, and no more.
const hostileSpace = "hostile"

// planted is the label of what must go when the operator comes.
const planted = "example.com/planted"

// harm is what has been done, as far as it must be known to tell right from wrong.
type harm struct {
	made   int        // objects so far
	scrawl []scrawled // what was written where, oldest first
	foes   [foeKinds]time.Time
	wishes map[string]*v1alpha1.Pool // the Pools as their users wrote them, by node pool
	// gone is since when there is no Pool for a node pool that its user would know.
	gone map[string]time.Time
	// unmarked is when a Node last lost its mark to somebody.
	unmarked map[types.UID]time.Time
	// unleased is when the Lease was last deleted under a holder; two of them may not
	// know it yet.
	unleased map[string]time.Time
}

func newHarm() harm {
	return harm{wishes: map[string]*v1alpha1.Pool{}, gone: map[string]time.Time{}, unmarked: map[types.UID]time.Time{}, unleased: map[string]time.Time{}}
}

// outrages are what they do, the most harmless first.
var outrages = []struct {
	name string
	do   func(*World)
}{
	{"scrawl", (*World).scrawlNode},
	{"scrawl", (*World).scrawlPod},
	{"scrawl", (*World).scrawlPool},
	{"plant", (*World).plant},
	{"plant", (*World).plant},
	{"fight", (*World).fight},
	{"delete", (*World).vandalize},
	{"tidy", func(w *World) { // somebody has noticed, for once
		if w.tape.Chance(300) {
			w.tidy()
		}
	}},
}

func (w *World) outrage() {
	d := outrages[w.tape.Pick(len(outrages))]
	w.note("hostile: %s", d.name)
	w.moved = true
	w.stats.kinds["hostile-"+d.name]++
	d.do(w)
}

// tidy is an operator who knows what does not belong there.
func (w *World) tidy() {
	if w.mix.parts.hostile == 0 {
		return
	}
	w.harm.foes = [foeKinds]time.Time{}
	w.erase()
	w.uproot()
	for _, id := range w.pools {
		w.restore(id)
	}
	for _, a := range w.apps {
		if a.budget && w.api.Find("poddisruptionbudgets", "default", a.name) == nil {
			w.api.Create(budgetOf(a))
		}
	}
}

// uproot takes away what was planted, and the pods on Nodes that go.
func (w *World) uproot() {
	for _, kind := range plantedKinds {
		w.api.Each(kind, func(o client.Object) {
			if o.GetLabels()[planted] == "" && o.GetNamespace() != hostileSpace {
				return
			}
			if n, ok := o.(*corev1.Node); ok {
				w.orphan(n.Name)
			}
			w.api.Remove(o)
		})
	}
}

// orphan removes the pods of a Node that is not there any more, as the collector of
// garbage does.
func (w *World) orphan(node string) {
	w.api.Each("pods", func(o client.Object) {
		if o.(*corev1.Pod).Spec.NodeName == node {
			w.api.Remove(o)
		}
	})
}

// alive is any Node with a machine that is up, nil if the tape finds none.
func (w *World) alive() *corev1.Node {
	if k := w.anyKubelet(); k != nil {
		return w.nodeOf(k)
	}
	return nil
}

// machineOf is the machine that a Node is, nil for one that only says so.
func (w *World) machineOf(n *corev1.Node) *kubelet {
	if k := w.kubelets[n.Spec.ProviderID]; k != nil && k.node == n.Name {
		return k
	}
	return nil
}

// disown is asked when somebody takes a mark off a Node: a cordon that is left there
// is nobody's but theirs.
func (w *World) disown(n *corev1.Node) {
	if n.Annotations[v1alpha1.AnnotationDisruption] == "" {
		return
	}
	w.harm.unmarked[n.UID] = time.Now()
	if n.Spec.Unschedulable {
		w.books.cordoned[string(n.UID)] = true
	}
}
