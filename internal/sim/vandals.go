package sim

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// vandalize takes away something that is tidemill's, or that it counts on, in the
// middle of whatever goes on.
func (w *World) vandalize() {
	switch w.tape.Pick(9) {
	case 0:
		w.dropBudget()
	case 1:
		w.dropLease()
	case 2, 3:
		w.dropNode(w.anyKubelet())
	case 4:
		w.dropNode(w.youngest())
	case 5, 6:
		w.dropPool(w.anyPool())
	case 7:
		w.dropStatus(w.anyPool())
	case 8:
		w.api.Each("namespaces", func(o client.Object) {
			w.api.Edit(o, func(o client.Object) { o.SetLabels(nil); o.SetAnnotations(nil) })
		})
	}
}

func (w *World) dropBudget() {
	for _, a := range w.apps {
		if b := w.api.Find("poddisruptionbudgets", "default", a.name); b != nil {
			w.note("hostile: budget %s is deleted", a.name)
			w.api.Remove(b)
			return
		}
	}
}

// dropLease makes room for another leader, while the present one does not know.
func (w *World) dropLease() {
	l, ok := w.api.Find("leases", "tidemill-system", "tidemill").(*coordinationv1.Lease)
	if !ok || l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "" {
		return
	}
	w.note("hostile: the lease is deleted")
	w.harm.unleased[*l.Spec.HolderIdentity] = time.Now()
	w.api.Remove(l)
}

// deposed is whether a writer may not know yet that its Lease is gone: it renewed it
// before, and a leader goes by that for as long as it has to renew it again.
func (w *World) deposed(writer string) bool {
	at, ok := w.harm.unleased[writer]
	return ok && time.Since(at) <= w.mix.lease.renew
}

// youngest is the machine that came last: in a run, the stand-in.
func (w *World) youngest() *kubelet {
	var last *kubelet
	for _, id := range w.order {
		if k := w.kubelets[id]; k.up && !k.removed && !k.joinAt.IsZero() {
			last = k
		}
	}
	return last
}

// dropNode is kubectl delete node. The kubelet makes it again at once, without what
// anybody wrote there, or not before somebody restarts it.
func (w *World) dropNode(k *kubelet) {
	again := w.tape.Chance(500)
	if k == nil {
		return
	}
	n := w.nodeOf(k)
	if n == nil {
		return
	}
	w.note("hostile: node %s is deleted, its kubelet makes it again: %v", n.Name, again)
	w.api.Remove(n)
	if !again {
		k.sick = true
		w.orphan(n.Name)
	}
}

// dropPool deletes what a user has written, and with it the record of a run. Some
// think better of it within the minute.
func (w *World) dropPool(id string) {
	if _, already := w.harm.gone[id]; already {
		if w.tape.Chance(500) {
			w.restore(id)
		}
		return
	}
	p := w.poolObject(id)
	if p == nil {
		return
	}
	w.note("hostile: pool %s is deleted", p.Name)
	w.harm.gone[id] = time.Now()
	delete(w.books.paused, id)
	delete(w.books.aborted, id)
	w.forget(id, p)
	w.api.Remove(p)
}

// dropStatus forgets the run and all that was said.
func (w *World) dropStatus(id string) {
	if p := w.poolObject(id); p != nil {
		w.note("hostile: the status of pool %s is deleted", p.Name)
		w.forget(id, p)
		w.api.Edit(p, func(o client.Object) { o.(*v1alpha1.Pool).Status = v1alpha1.PoolStatus{} })
	}
}

// forget is asked when the record of a run is deleted: nobody knows any more which of
// the pool's machines are its surge, and its size is what there is.
func (w *World) forget(id string, p *v1alpha1.Pool) {
	if p.Status.Cycle != nil {
		w.books.orders.inDoubt[id] = true
	}
}

// restore is a user who applies what he had written again; discovery may have made a
// Pool of its own meanwhile, under the same name.
func (w *World) restore(id string) {
	if _, gone := w.harm.gone[id]; !gone {
		return
	}
	delete(w.harm.gone, id)
	wish := w.harm.wishes[id].DeepCopy()
	w.note("hostile: pool %s is written again", wish.Name)
	if p := w.poolObject(id); p != nil {
		w.api.Edit(p, func(o client.Object) { o.(*v1alpha1.Pool).Spec = wish.Spec })
		return
	}
	w.api.Create(wish)
}

// remember keeps the user's Pool as it was written.
func (w *World) remember(p *v1alpha1.Pool) *v1alpha1.Pool {
	w.harm.wishes[p.Spec.NodePoolID] = p.DeepCopy()
	return p
}

// lateGuest is whether a pod was bound to a Node past the scheduler, by somebody who
// may write pods, when it had been seen empty: between the last look and the request
// there is time for that, and no cloud can be asked to delete a machine "if empty".
func (w *World) lateGuest(p *corev1.Pod, drained *time.Time) bool {
	born := w.api.Born(p)
	return p.Namespace == hostileSpace && drained != nil && !born.Before(drained.Truncate(time.Second)) && time.Since(born) < forgiven
}
