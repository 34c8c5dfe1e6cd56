package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

var systemPods = Check{
	ID:       "system-pods",
	Title:    "the system DaemonSets run here",
	Evidence: EvidenceLevel,
	Reads:    []Source{fromPods, fromDaemonSets},
	Remedy:   "look at the pods of kube-system on this node: without them pods have no network, no services or no volumes",
	Action:   ActionReplace,
	// A rolling update of the DaemonSet takes each pod away for a while.
	Confirm: 5 * time.Minute,
	// What a gate is for: a Ready kubelet says nothing about services, network
	// policy or volumes.
	Gate:    true,
	Applies: working,
	Run: func(_ context.Context, p Patient) Finding {
		lacking, since := p.lackingSystemPods(true)
		if len(lacking) == 0 {
			return p.lesserSystemPods()
		}
		message := strings.Join(lacking, ", ")
		if p.Joining() {
			return unknown(ReasonJoining, "waiting for "+message)
		}
		return Finding{State: Fail, Reason: "SystemPodsNotReady", Message: message, Since: since}
	},
}

// lesserSystemPods warns of DaemonSets in kube-system that the node can do
// without: a log shipper that crashes everywhere must not close the gate.
func (p Patient) lesserSystemPods() Finding {
	if lacking, _ := p.lackingSystemPods(false); len(lacking) > 0 {
		return Finding{State: Warn, Reason: "SystemPodsNotReady", Message: strings.Join(lacking, ", ")}
	}
	return pass("")
}

// lackingSystemPods names the DaemonSets whose pod should run here and does
// not. since is when the last of them stopped being Ready, zero when one is
// missing altogether: that is more likely its controller's doing.
func (p Patient) lackingSystemPods(critical bool) (lacking []string, since time.Time) {
	missing := false
	for _, ds := range p.Look.Snapshot.DaemonSets {
		if ds.Namespace != metav1.NamespaceSystem || ds.DeletionTimestamp != nil || isCritical(ds) != critical || !belongs(ds, p.Node.Object) {
			continue
		}
		pod := p.podOf(ds)
		if pod == nil {
			lacking, missing = append(lacking, ds.Name+" has no pod here"), true
			continue
		}
		c := podCondition(pod, corev1.PodReady)
		if c != nil && c.Status == corev1.ConditionTrue {
			continue
		}
		at := pod.CreationTimestamp.Time
		if c != nil {
			at = c.LastTransitionTime.Time
		}
		if at.After(since) {
			since = at
		}
		lacking = append(lacking, fmt.Sprintf("%s is not Ready since %s", pod.Name, clock(at)))
	}
	if missing {
		since = time.Time{}
	}
	return lacking, since
}

// isCritical is whether the DaemonSet says that nodes cannot do without it; all
// of OKE's own do.
func isCritical(ds *appsv1.DaemonSet) bool {
	class := ds.Spec.Template.Spec.PriorityClassName
	return class == "system-node-critical" || class == "system-cluster-critical"
}

// podOf is the DaemonSet's pod on the node. If there are two, as in an update
// with a surge, it is one that stays, and of these one that is Ready.
func (p Patient) podOf(ds *appsv1.DaemonSet) *corev1.Pod {
	var staying, leaving *corev1.Pod
	for _, pod := range p.Node.Pods {
		if ref := metav1.GetControllerOf(pod); ref == nil || ref.UID != ds.UID {
			continue
		}
		switch c := podCondition(pod, corev1.PodReady); {
		case pod.DeletionTimestamp != nil:
			leaving = pod
		case c != nil && c.Status == corev1.ConditionTrue:
			return pod
		case staying == nil:
			staying = pod
		}
	}
	if staying != nil {
		return staying
	}
	return leaving
}

// belongs is whether the DaemonSet controller puts a pod on the node: selector
// and affinity match, and no taint repels it but those that every daemon pod
// tolerates.
func belongs(ds *appsv1.DaemonSet, n *corev1.Node) bool {
	pod := corev1.Pod{Spec: ds.Spec.Template.Spec}
	// Daemon pods are pinned by name through metadata.name; a match error is a
	// selector that the API server would not have taken.
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(&pod).Match(n); err != nil || !ok {
		return false
	}
	_, repelled := schedulinghelpers.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, pod.Spec.Tolerations,
		func(t *corev1.Taint) bool {
			return t.Effect != corev1.TaintEffectPreferNoSchedule && !toleratedByDaemons(t.Key)
		}, false)
	return !repelled
}

// toleratedByDaemons lists the taints that the DaemonSet controller adds
// tolerations for.
func toleratedByDaemons(key string) bool {
	switch key {
	case corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeDiskPressure, corev1.TaintNodeMemoryPressure,
		corev1.TaintNodePIDPressure, corev1.TaintNodeUnschedulable, corev1.TaintNodeNetworkUnavailable:
		return true
	}
	return false
}

func podCondition(pod *corev1.Pod, t corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == t {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}
