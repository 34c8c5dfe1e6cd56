package sim

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// app is a Deployment, its ReplicaSet, and their controllers.
type app struct {
	name     string
	replicas int
	usual    int           // replicas before anybody changed them
	cpu      int64         // milli
	memory   int64         // MiB
	budget   bool          // has a PDB of maxUnavailable 1
	closed   bool          // for now of 0
	ends     time.Duration // its pods end after so long; 0 is never
	habit    *habit
}

func (w *World) addApp(a *app) {
	a.usual = a.replicas
	w.apps = append(w.apps, a)
	if a.budget {
		w.api.Create(budgetOf(a))
	}
}

func budgetOf(a *app) *policyv1.PodDisruptionBudget {
	one := intstr.FromInt32(1)
	return &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: a.name},
		Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": a.name}}}}
}

// podsOf are an app's pods that are not on their way out.
func (w *World) podsOf(name string) []*corev1.Pod {
	var out []*corev1.Pod
	w.api.Each("pods", func(o client.Object) {
		if p := o.(*corev1.Pod); p.Labels["app"] == name && p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded {
			out = append(out, p)
		}
	})
	return out
}

func (w *World) tickWorkloads() {
	for _, a := range w.apps {
		pods := w.podsOf(a.name)
		for n := len(pods); n < a.replicas; n++ {
			w.made++
			if p := w.newPod(a); !a.keepsDisks() || claimOf(p) != "" {
				w.api.Create(p)
			}
		}
		for i := a.replicas; i < len(pods); i++ {
			w.api.Remove(pods[len(pods)-1-(i-a.replicas)])
		}
		if a.budget {
			w.tickBudget(a)
		}
	}
}

func (w *World) newPod(a *app) *corev1.Pod {
	yes, grace := true, int64(30)
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("%s-%05d", a.name, w.made), Labels: map[string]string{"app": a.name},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: a.name, UID: types.UID("rs-" + a.name), Controller: &yes}}},
		Spec: corev1.PodSpec{SchedulerName: corev1.DefaultSchedulerName, TerminationGracePeriodSeconds: &grace, RestartPolicy: corev1.RestartPolicyAlways,
			Containers: []corev1.Container{{Name: "c", Image: "app", Env: []corev1.EnvVar{{Name: "TOKEN", Value: canary}}, Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: *resource.NewMilliQuantity(a.cpu, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(a.memory<<20, resource.BinarySI)}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	if a.habit != nil {
		a.habit.ask(&p.Spec, metav1.LabelSelector{MatchLabels: p.Labels})
	}
	if a.keepsDisks() {
		if claim := w.freeClaim(a); claim != "" {
			p.Spec.Volumes = []corev1.Volume{{Name: "disk", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}}
		}
	}
	return p
}

// tickBudget is the disruption controller.
func (w *World) tickBudget(a *app) {
	b, ok := w.api.Find("poddisruptionbudgets", "default", a.name).(*policyv1.PodDisruptionBudget)
	if !ok {
		return
	}
	var healthy int32
	live := map[string]bool{}
	for _, p := range w.podsOf(a.name) {
		live[p.Name] = true
		if _, leaving := b.Status.DisruptedPods[p.Name]; !leaving && ready(p) {
			healthy++
		}
	}
	w.api.Edit(b, func(o client.Object) {
		b := o.(*policyv1.PodDisruptionBudget)
		for name := range b.Status.DisruptedPods {
			if !live[name] {
				delete(b.Status.DisruptedPods, name)
			}
		}
		if len(b.Status.DisruptedPods) == 0 {
			b.Status.DisruptedPods = nil
		}
		b.Status.ObservedGeneration, b.Status.CurrentHealthy = b.Generation, healthy
		b.Status.ExpectedPods, b.Status.DesiredHealthy = int32(a.replicas), int32(max(a.replicas-1, 0))
		if a.closed {
			b.Status.DesiredHealthy = int32(a.replicas)
		}
		b.Status.DisruptionsAllowed = max(healthy-b.Status.DesiredHealthy, 0)
	})
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// ended is a pod that has nothing to lose any more.
func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func daemon(p *corev1.Pod) bool {
	o := metav1.GetControllerOf(p)
	return o != nil && o.Kind == "DaemonSet"
}

// room is what a node has left, for the scheduler.
type room struct {
	node     *corev1.Node
	cpu, mem int64
	pods     int64
	mates    map[string]int // pods of each app
	all      *census
}

// tickScheduler binds what fits, to the emptiest node, and says of the rest that
// nothing does.
func (w *World) tickScheduler() {
	rooms, pending := w.rooms()
	for _, p := range pending {
		w.place(p, rooms)
	}
}

// rooms is what is free on each node that takes pods, and which pods have no node.
func (w *World) rooms() (rooms []*room, pending []*corev1.Pod) {
	used, all := map[string]*room{}, &census{map[string]bool{}, map[string]map[string]int{}}
	w.api.Each("nodes", func(o client.Object) {
		n := o.(*corev1.Node)
		r := &room{n, n.Status.Allocatable.Cpu().MilliValue(), n.Status.Allocatable.Memory().Value(), n.Status.Allocatable.Pods().Value(), map[string]int{}, all}
		used[n.Name] = r
		if r.zone() != "" {
			all.zones[r.zone()] = true
		}
		if schedulable(n) {
			rooms = append(rooms, r)
		}
	})
	w.api.Each("pods", func(o client.Object) {
		p := o.(*corev1.Pod)
		if p.Spec.NodeName == "" && p.Spec.SchedulerName == corev1.DefaultSchedulerName {
			pending = append(pending, p)
		} else if r := used[p.Spec.NodeName]; r != nil {
			r.take(p)
		}
	})
	return rooms, pending
}

func (r *room) take(p *corev1.Pod) {
	cpu, mem := requests(p)
	r.cpu, r.mem, r.pods = r.cpu-cpu, r.mem-mem, r.pods-1
	r.mates[p.Labels["app"]]++
	if p.DeletionTimestamp == nil {
		r.all.count(p.Labels["app"], r.zone(), 1)
	}
}

// roomiest is the node with the most free cores of those that have room for the pod.
func (w *World) roomiest(p *corev1.Pod, rooms []*room) *room {
	cpu, mem := requests(p)
	var best *room
	for _, r := range rooms {
		if r.cpu >= cpu && r.mem >= mem && r.pods > 0 && w.suits(p, r) && (best == nil || r.cpu > best.cpu) {
			best = r
		}
	}
	return best
}

func (w *World) place(p *corev1.Pod, rooms []*room) {
	best := w.roomiest(p, rooms)
	if best == nil && refused(p) {
		return // it has been told
	}
	now := w.controllersSay(time.Now())
	w.api.Edit(p, func(o client.Object) {
		p := o.(*corev1.Pod)
		c := corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}
		if best == nil {
			c.Status, c.Reason = corev1.ConditionFalse, corev1.PodReasonUnschedulable
		} else {
			p.Spec.NodeName = best.node.Name
		}
		for _, old := range p.Status.Conditions {
			if old.Type == c.Type && old.Status == c.Status {
				return
			}
		}
		c.LastTransitionTime = now
		p.Status.Conditions = []corev1.PodCondition{c}
	})
	if best != nil {
		w.provision(claimOf(p), best.zone())
		best.take(p)
	}
}

// refused is whether the scheduler has said that it finds no node for the pod.
func refused(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse
	})
}

func schedulable(n *corev1.Node) bool {
	if n.Spec.Unschedulable || !nodeReady(n) {
		return false
	}
	for _, t := range n.Spec.Taints {
		if t.Effect != corev1.TaintEffectPreferNoSchedule {
			return false
		}
	}
	return true
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// enormous is more than any node has, and little enough to be added up.
const enormous = 1 << 50

func requests(p *corev1.Pod) (cpu, memory int64) {
	for _, c := range p.Spec.Containers {
		cpu += c.Resources.Requests.Cpu().MilliValue()
		memory += c.Resources.Requests.Memory().Value()
	}
	return min(cpu, enormous), min(memory, enormous)
}
