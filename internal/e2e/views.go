package e2e

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// NodeView is what the referee has to know of a Node.
type NodeView struct {
	Name    string
	Machine string // instance OCID, "" while the Node does not tell
	Pool    string // node pool OCID
	Created time.Time
	Version string
	Zone    string
	Boot    string // another one after each boot

	Ready, Passed, Cordoned bool
	// Cause is the verb in the mark of the disruption, "" without one.
	Cause kube.Cause
}

// evicted is the reason that the Eviction API leaves on a pod. The others
// (DeletionByTaintManager, DeletionByPodGC) are the control plane's own doing.
const evicted = "EvictionByEvictionAPI"

// Available is whether the node may be counted on.
func (n NodeView) Available() bool { return n.Ready && n.Passed && !n.Cordoned }

func viewNode(n *corev1.Node) NodeView {
	v := NodeView{
		Name: n.Name, Machine: n.Spec.ProviderID, Pool: n.Annotations[v1alpha1.AnnotationNodePoolID],
		Created: n.CreationTimestamp.Time, Version: n.Status.NodeInfo.KubeletVersion, Cordoned: n.Spec.Unschedulable,
		Zone: n.Labels[corev1.LabelTopologyZone], Boot: n.Status.NodeInfo.BootID,
	}
	for _, c := range n.Status.Conditions {
		switch c.Type {
		case corev1.NodeReady:
			v.Ready = c.Status == corev1.ConditionTrue
		case v1alpha1.NodeConditionProblem:
			v.Passed = c.Status == corev1.ConditionFalse
		}
	}
	if m, err := kube.MarkOf(n); err == nil && m != nil {
		v.Cause = m.Cause
	}
	return v
}

// PodView is what the referee has to know of a pod.
type PodView struct {
	Key    types.NamespacedName
	Node   string
	Labels labels.Set
	Ready  bool
	// Leaving is whether somebody asked it to go, and By how: the reason of its
	// condition DisruptionTarget, "" for a plain delete.
	Leaving bool
	By      string
	// Resident pods leave with their node: a DaemonSet's, static and finished ones.
	Resident bool
}

func viewPod(p *corev1.Pod) PodView {
	v := PodView{
		Key: types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, Node: p.Spec.NodeName, Labels: p.Labels,
		Leaving:  p.DeletionTimestamp != nil,
		Resident: p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed || p.Annotations[corev1.MirrorPodAnnotationKey] != "",
	}
	if owner := metav1.GetControllerOf(p); owner != nil && owner.Kind == "DaemonSet" {
		v.Resident = true
	}
	for _, c := range p.Status.Conditions {
		switch c.Type {
		case corev1.PodReady:
			v.Ready = c.Status == corev1.ConditionTrue
		case corev1.DisruptionTarget:
			v.By = c.Reason
		}
	}
	return v
}

// residesOn is whether the pod is on the node and should have left it before its end.
// One that was asked to go and cannot, because its kubelet is dead, is not.
func (p PodView) residesOn(n NodeView) bool {
	return p.Node == n.Name && !p.Resident && (n.Ready || !p.Leaving)
}

// MachineView is what the referee has to know of a compute instance.
type MachineView struct {
	ID, Pool string
	// Leaving is whether it is terminating or terminated.
	Leaving bool
}

func viewMachine(i okesim.Instance) MachineView {
	return MachineView{ID: i.ID, Pool: i.PoolID, Leaving: i.State == "TERMINATING" || i.State == "TERMINATED"}
}

// Run is a turn-over of one pool as the story ordered it, or as the Pool's own
// record states it.
type Run struct {
	Desired, MaxSurge, MaxUnavailable int
	// Zones is over how many zones the pool is spread; 0 means that they are not judged.
	Zones int
	Since time.Time
}

// Guard is a workload under a PodDisruptionBudget.
type Guard struct {
	Namespace string
	Selector  labels.Selector
	Min       int // pods that must stay ready
}
