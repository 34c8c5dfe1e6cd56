package sim

import (
	"maps"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
)

// kubelet is one machine's, with the parts of the node controllers that follow
// it.
type kubelet struct {
	inst    okesim.Instance
	node    string
	up      bool // the machine runs
	sick    bool // runs, and does not answer
	dead    bool // nothing but a reboot makes it well
	since   time.Time
	joinAt  time.Time
	silent  time.Time // since when it has not been heard; zero while it is
	booted  int
	ill     illness
	fell    time.Time // since when it is ill
	again   time.Time // when it falls ill again
	said    time.Time // when the host's agent last said what it found
	removed bool
	health  health        // see health.go
	joined  types.UID     // its Node, if the doctor has passed that
	clock   time.Duration // how far ahead its clock is
	made    time.Time     // when the machine truly came to be
	turned  time.Time     // when its Node truly became Ready, or not
}

// takeEvents lets the cloud's events reach the machines.
func (w *World) takeEvents() {
	w.mu.Lock()
	events := w.events
	w.events = nil
	w.mu.Unlock()
	for _, e := range events {
		w.moved = true
		k := w.kubelets[e.Instance.ID]
		if k == nil {
			k = &kubelet{inst: e.Instance, node: e.Instance.PrivateIP, made: e.At}
			w.kubelets[e.Instance.ID] = k
			w.order = append(w.order, e.Instance.ID)
		}
		k.inst = e.Instance
		w.note("cloud %s %s", e.Type, e.Instance.Name)
		switch e.Type {
		case okesim.InstanceActive:
			k.up, k.joinAt = true, time.Now().Add(w.bootsIn())
		case okesim.InstanceStarted:
			k.up, k.booted = true, k.booted+1
			if k.ill == well {
				k.sick, k.dead = false, false
			} else {
				k.restarted()
			}
		case okesim.InstanceStopped, okesim.InstanceTerminating:
			w.beat(k)
			k.up = false
		case okesim.InstanceTerminated:
			k.up = false
			w.buryNode(k)
		}
	}
}

// buryNode is the cloud controller manager: the machine is gone, so is its Node,
// and the pods go with it.
func (w *World) buryNode(k *kubelet) {
	k.removed = true
	if n := w.nodeOf(k); n != nil {
		w.api.Remove(n)
	}
	if w.api.Find("nodes", "", k.node) == nil { // also if somebody has deleted the Node before
		w.orphan(k.node)
	}
}

func (w *World) nodeOf(k *kubelet) *corev1.Node {
	n, ok := w.api.Find("nodes", "", k.node).(*corev1.Node)
	if !ok || n == nil || n.Spec.ProviderID != k.inst.ID {
		return nil
	}
	return n
}

// tickKubelets registers, beats, starts and ends pods.
func (w *World) tickKubelets(now time.Time) {
	pods := w.podsByNode()
	for _, id := range w.order {
		k := w.kubelets[id]
		if k.removed || k.joinAt.IsZero() {
			continue
		}
		if now.Before(k.joinAt) {
			w.soon(k.joinAt)
			continue
		}
		n := w.nodeOf(k)
		if n == nil {
			if k.up && !k.sick && k.silent.IsZero() {
				w.api.Create(newNode(k.inst, k.says(now)))
				k.since, k.turned = now, now
			}
			continue
		}
		alive := k.up && !k.sick
		if alive {
			k.silent = time.Time{}
		} else if k.silent.IsZero() {
			k.silent = now
		}
		w.tickNode(k, n, alive, now, pods[n.Name])
		w.tickIll(k, n, now)
		if alive {
			w.tickPods(pods[n.Name], now)
		}
	}
}

// podsByNode are the pods of each node, in order of their names.
func (w *World) podsByNode() map[string][]*corev1.Pod {
	out := map[string][]*corev1.Pod{}
	w.api.Each("pods", func(o client.Object) {
		p := o.(*corev1.Pod)
		out[p.Spec.NodeName] = append(out[p.Spec.NodeName], p)
	})
	return out
}

func (w *World) tickNode(k *kubelet, n *corev1.Node, alive bool, now time.Time, pods []*corev1.Pod) {
	if alive {
		w.later(k.since.Add(8*time.Second), now)
	} else {
		w.later(k.silent.Add(40*time.Second+1), now)
		w.later(k.silent.Add(6*time.Minute+1), now)
	}
	want := corev1.ConditionTrue
	switch {
	case !alive && now.Sub(k.silent) > 40*time.Second:
		want = corev1.ConditionUnknown
	case !alive:
		return
	case now.Sub(k.since) < 8*time.Second:
		want = corev1.ConditionFalse
	}
	if nodeReady(n) == (want == corev1.ConditionTrue) && (!alive || n.Status.NodeInfo.BootID == bootID(k.booted) && n.Status.NodeInfo.KubeletVersion == k.inst.KubernetesVersion) && want != corev1.ConditionUnknown {
		return // as it is; an edit that changes nothing costs a copy
	}
	w.api.Edit(n, func(o client.Object) {
		n := o.(*corev1.Node)
		if alive {
			n.Status.NodeInfo.BootID = bootID(k.booted)
			n.Status.NodeInfo.KubeletVersion = k.inst.KubernetesVersion
		}
		for i := range n.Status.Conditions {
			if c := &n.Status.Conditions[i]; c.Type == corev1.NodeReady && c.Status != want {
				c.Status, c.LastTransitionTime, k.turned = want, k.says(now), now.Truncate(time.Second)
				if want == corev1.ConditionUnknown {
					c.LastTransitionTime = w.controllersSay(now)
				}
			}
		}
	})
	if want == corev1.ConditionTrue {
		return
	}
	for _, p := range pods { // the node lifecycle controller
		if !daemon(p) {
			w.setReady(p, corev1.ConditionFalse)
			if !alive && now.Sub(k.silent) > 6*time.Minute {
				w.api.Remove(p)
			}
		}
	}
}

// later is soon, if it is not past.
func (w *World) later(at, now time.Time) {
	if at.After(now) {
		w.soon(at)
	}
}

// tickPods starts what is bound and ends what is terminating.
func (w *World) tickPods(pods []*corev1.Pod, now time.Time) {
	for _, p := range pods {
		switch {
		case p.DeletionTimestamp != nil:
			over := w.api.Due(p)
			if early := over.Add(-time.Duration(*p.DeletionGracePeriodSeconds)*time.Second + 4*time.Second); early.Before(over) {
				over = early
			}
			if now.Before(over) {
				w.soon(over)
			} else if len(p.Finalizers) == 0 {
				w.api.Remove(p)
			}
		case p.Status.Phase == corev1.PodPending && !w.attached(p): // its volume is elsewhere
		case p.Status.Phase == corev1.PodPending:
			w.api.Edit(p, func(o client.Object) { o.(*corev1.Pod).Status.Phase = corev1.PodRunning })
		default:
			w.setReady(p, corev1.ConditionTrue)
		}
	}
}

func (w *World) setReady(p *corev1.Pod, status corev1.ConditionStatus) {
	if ready(p) == (status == corev1.ConditionTrue) {
		return
	}
	w.api.Edit(p, func(o client.Object) {
		p := o.(*corev1.Pod)
		for i := range p.Status.Conditions {
			if p.Status.Conditions[i].Type == corev1.PodReady {
				p.Status.Conditions[i].Status = status
				return
			}
		}
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: status})
	})
}

// heartbeat renews the kubelets' leases, when somebody looks.
func (w *World) heartbeat() {
	for _, id := range w.order {
		w.beat(w.kubelets[id])
	}
}

// beat renews one kubelet's lease, as it has done every ten seconds until now: before it
// falls silent that is asked for too, or its lease would be as old as the last look.
func (w *World) beat(k *kubelet) {
	now := metav1.NewMicroTime(time.Now().Truncate(10 * time.Second).Add(k.clock))
	if n := w.nodeOf(k); n == nil || !k.up || k.sick {
		return
	}
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-node-lease", Name: k.node}}
	switch there, _ := w.api.Find("leases", l.Namespace, l.Name).(*coordinationv1.Lease); {
	case there == nil:
		w.api.Create(l.DeepCopy())
	case there.Spec.RenewTime.Equal(&now): // an edit that changes nothing costs a copy
		return
	}
	w.api.Edit(l, func(o client.Object) { o.(*coordinationv1.Lease).Spec.RenewTime = &now })
}

func bootID(n int) string { return "boot-" + string(rune('a'+n%26)) }

// kubeletsOwn are the fields that a kubelet keeps as its own: who takes back what he has
// applied beside them leaves them alone.
var kubeletsOwn = []metav1.ManagedFieldsEntry{{Manager: "kubelet", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Subresource: "status", FieldsType: "FieldsV1",
	FieldsV1: metav1.NewFieldsV1(`{"f:status":{"f:conditions":{".":{},"k:{\"type\":\"DiskPressure\"}":{".":{}},"k:{\"type\":\"MemoryPressure\"}":{".":{}},"k:{\"type\":\"PIDPressure\"}":{".":{}},"k:{\"type\":\"Ready\"}":{".":{}}}}}`)}}

// newNode is the Node that an OKE machine registers, and what the cloud
// controller manager adds.
func newNode(i okesim.Instance, now metav1.Time) *corev1.Node {
	_, zone, _ := strings.Cut(i.AvailabilityDomain, ":")
	cpus := int64(2 * i.OCPUs)
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(cpus, resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(int64(i.MemoryGB)<<30-(int64(834)<<20), resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(36<<30, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(110, resource.DecimalSI),
	}
	allocatable := capacity.DeepCopy()
	allocatable[corev1.ResourceCPU] = *resource.NewMilliQuantity(1000*cpus-180, resource.DecimalSI)
	allocatable[corev1.ResourceMemory] = *resource.NewQuantity(int64(i.MemoryGB)<<30-(int64(3106)<<20), resource.BinarySI)
	labels := map[string]string{}
	maps.Copy(labels, i.Labels)
	maps.Copy(labels, map[string]string{corev1.LabelHostname: i.PrivateIP, corev1.LabelTopologyZone: zone, corev1.LabelInstanceTypeStable: i.Shape, corev1.LabelArchStable: i.Arch,
		corev1.LabelOSStable: "linux", v1alpha1.LabelFaultDomain: i.FaultDomain, "name": i.Labels["name"]})
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: i.PrivateIP, Labels: labels,
			Annotations: map[string]string{v1alpha1.AnnotationNodePoolID: i.PoolID}, ManagedFields: kubeletsOwn},
		Spec: corev1.NodeSpec{ProviderID: i.ID},
		Status: corev1.NodeStatus{Capacity: capacity, Allocatable: allocatable,
			NodeInfo:  corev1.NodeSystemInfo{KubeletVersion: i.KubernetesVersion, BootID: bootID(0), OperatingSystem: "linux", Architecture: i.Arch},
			Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: i.PrivateIP}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse, LastHeartbeatTime: now, LastTransitionTime: now},
				{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, LastHeartbeatTime: now, LastTransitionTime: now},
				{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, LastHeartbeatTime: now, LastTransitionTime: now},
				{Type: corev1.NodePIDPressure, Status: corev1.ConditionFalse, LastHeartbeatTime: now, LastTransitionTime: now}}},
	}
}
