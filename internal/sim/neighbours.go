package sim

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/internal/okesim"
)

// The neighbours are other controllers of the cluster, in the runs that have them:
// one that puts a pod on every node, jobs that end, an autoscaler of pods that
// never rests while the faults last, and an autoscaler of nodes that was left running
// by mistake. All work on the present truth, as they would a moment later.

// toBeDeleted is the taint of the stock cluster-autoscaler.
const toBeDeleted = "ToBeDeletedByClusterAutoscaler"

// moveIn makes what the neighbours look after.
func (w *World) moveIn() {
	labels := map[string]string{"app": "agent"}
	w.api.Create(&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "agent", UID: "ds-agent"},
		Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}}}})
	w.addApp(&app{name: "work", replicas: 2, cpu: 700, memory: 800, ends: 100 * time.Second})
}

// tickNeighbours is their turn.
func (w *World) tickNeighbours(now time.Time) {
	if !w.mix.parts.neighbours {
		return
	}
	w.tickDaemonSet()
	w.tickJobs(now)
	if !w.calm && now.Sub(w.scaled) > 20*time.Second { // the autoscaler of pods
		w.scaled = now
		web := w.apps[0]
		web.replicas = max(2, web.replicas+[]int{1, -1, 2, -1, -2, 1}[w.waves%6])
		w.waves++
		w.moved = true
	}
}

// tickDaemonSet keeps one pod on every node; cordons and taints do not concern it.
func (w *World) tickDaemonSet() {
	there := map[string]bool{}
	w.api.Each("pods", func(o client.Object) {
		if p := o.(*corev1.Pod); p.Labels["app"] == "agent" {
			there[p.Spec.NodeName] = true
		}
	})
	w.api.Each("nodes", func(o client.Object) {
		if there[o.GetName()] {
			return
		}
		w.made++
		p := w.newPod(&app{name: "agent", cpu: 50, memory: 64})
		p.Namespace, p.Spec.NodeName = "kube-system", o.GetName()
		p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name, p.OwnerReferences[0].UID = "DaemonSet", "agent", "ds-agent"
		w.api.Create(p)
	})
}

// tickJobs ends the pods that have run for long enough; what has ended is cleaned
// away after a minute, and the next begins meanwhile.
func (w *World) tickJobs(now time.Time) {
	for _, a := range w.apps {
		if a.ends == 0 {
			continue
		}
		w.api.Each("pods", func(o client.Object) {
			p := o.(*corev1.Pod)
			if p.Labels["app"] != a.name || p.DeletionTimestamp != nil {
				return
			}
			over := w.api.Born(p).Add(a.ends)
			switch {
			case w.calm && p.Status.Phase == corev1.PodRunning: // the last ones stay, or nothing would ever rest
			case p.Status.Phase == corev1.PodRunning && !now.Before(over):
				w.api.Edit(p, func(o client.Object) { o.(*corev1.Pod).Status.Phase = corev1.PodSucceeded })
				w.soon(now.Add(time.Minute))
			case p.Status.Phase == corev1.PodRunning:
				w.soon(over)
			case p.Status.Phase == corev1.PodSucceeded && now.Sub(over) > time.Minute:
				w.api.Remove(p)
			}
		})
	}
}

// otherAutoscaler is the stock one at work on our pools: it taints a node and then
// thinks better of it, or deletes the machine, or asks for one more.
func (w *World) otherAutoscaler() {
	k := w.anyKubelet()
	if k == nil || !w.mix.parts.neighbours {
		return
	}
	n := w.nodeOf(k)
	if n == nil {
		return
	}
	switch w.tape.Pick(3) {
	case 0:
		w.untaint()
	case 1:
		w.api.Edit(n, func(o client.Object) {
			n := o.(*corev1.Node)
			for _, t := range n.Spec.Taints {
				if t.Key == toBeDeleted {
					return
				}
			}
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: toBeDeleted, Value: fmt.Sprint(time.Now().Unix()), Effect: corev1.TaintEffectNoSchedule})
		})
	case 2:
		if v, err := w.cloud.Pool(k.inst.PoolID); err == nil {
			size := v.Size + 1
			w.typed(k.inst.PoolID, size)
			_, _ = w.cloud.UpdatePool(k.inst.PoolID, okesim.PoolUpdate{Size: &size}, "")
		}
	}
}

// untaint takes the other autoscaler's taints back.
func (w *World) untaint() {
	w.api.Each("nodes", func(o client.Object) {
		w.api.Edit(o, func(o client.Object) {
			n := o.(*corev1.Node)
			var kept []corev1.Taint
			for _, t := range n.Spec.Taints {
				if t.Key != toBeDeleted {
					kept = append(kept, t)
				}
			}
			n.Spec.Taints = kept
		})
	})
}

func foreignTaint(n *corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		if t.Key == toBeDeleted {
			return true
		}
	}
	return false
}
