package drain

import (
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Classes are a node's pods by what a drain does with them.
type Classes struct {
	// Evictable have to be asked to leave, those of low priority first.
	Evictable []*corev1.Pod
	// Leaving are terminating already.
	Leaving []*corev1.Pod
	// Daemons are pods of DaemonSets that are to be evicted in the end.
	Daemons []*corev1.Pod
	// Blocked must not be asked.
	Blocked []Block

	kept []*corev1.Pod // those of Blocked
}

// Left is how many pods have to leave before the node is empty.
func (c Classes) Left() int {
	return len(c.Evictable) + len(c.Leaving) + len(c.Daemons) + len(c.Blocked)
}

// Classify is [Target.Classify] for a node that nothing else is known about.
func Classify(node *corev1.Node, pods []corev1.Pod, sets []*appsv1.DaemonSet, now time.Time) Classes {
	t := Target{Node: node, Around: Around{DaemonSets: sets}}
	for i := range pods {
		t.Pods = append(t.Pods, &pods[i])
	}
	return t.Classify(now)
}

// Classify is pure. Pods that stay with the node until its end are in no class:
// DaemonSet and mirror pods, finished ones, those that ask for it, and on a dead
// kubelet those whose grace is over, which only the end of the machine can finish.
func (t Target) Classify(now time.Time) Classes {
	var c Classes
	for _, p := range t.Pods {
		t.add(&c, p, now)
	}
	byPriority := func(a, b *corev1.Pod) int { return int(priority(a)) - int(priority(b)) }
	slices.SortStableFunc(c.Evictable, byPriority)
	slices.SortStableFunc(c.Daemons, byPriority)
	return c
}

func (t Target) add(c *Classes, pod *corev1.Pod, now time.Time) {
	if over(pod) || skipped(pod) {
		return
	}
	evictable, why := filter(pod, t.DaemonSets)
	if foreignDaemon(pod) {
		evictable, why = false, ""
	}
	stays := !evictable && why == ""
	if stays && !t.daemonToEvict(pod) {
		return
	}
	switch {
	case pod.DeletionTimestamp != nil:
		if t.waitedFor(pod, now) {
			c.Leaving = append(c.Leaving, pod)
		}
	case stays:
		c.Daemons = append(c.Daemons, pod)
	case why != "" && !(safe(pod) && !controlledByDaemonSet(pod)):
		reason := Unmanaged
		if controlledByDaemonSet(pod) {
			reason = DaemonSetGone
		}
		c.block(pod, Block{Pod: key(pod), Reason: reason, Message: why})
	default:
		t.addEvictable(c, pod, now)
	}
}

func (t Target) addEvictable(c *Classes, pod *corev1.Pod, now time.Time) {
	volume := t.local(pod)
	switch b := protection(pod, now.Add(t.Ahead)); {
	case b != nil:
		c.block(pod, *b)
	case volume != "" && !safe(pod):
		c.block(pod, Block{Pod: key(pod), Reason: LocalVolume,
			Message: "volume " + volume + " is on the node and would be lost with it; cluster-autoscaler.kubernetes.io/safe-to-evict=true on the pod allows that"})
	case t.comesBack(pod):
		c.block(pod, Block{Pod: key(pod), Reason: ComesBack,
			Message: "it tolerates the cordon and was put here again after it; tidemill.dev/drain=skip on the pod lets it end with its node"})
	default:
		c.Evictable = append(c.Evictable, pod)
	}
}

func (c *Classes) block(pod *corev1.Pod, b Block) {
	c.Blocked, c.kept = append(c.Blocked, b), append(c.kept, pod)
}

// daemonToEvict is whether the pod is a DaemonSet's that has to go: one that was
// made after the drain began is a successor, and stays.
func (t Target) daemonToEvict(pod *corev1.Pod) bool {
	return t.EvictDaemons && controlledByDaemonSet(pod) && !t.Started.IsZero() && pod.CreationTimestamp.Time.Before(t.Started.Add(t.Ahead))
}

func controlledByDaemonSet(pod *corev1.Pod) bool {
	ref := metav1.GetControllerOf(pod)
	return ref != nil && ref.Kind == "DaemonSet"
}

// foreignDaemon is whether the pod is of a DaemonSet that is not Kubernetes' own, such as
// OpenKruise's: nobody here knows whether that is there, and its pods are made again on
// this node all the same.
func foreignDaemon(pod *corev1.Pod) bool {
	if !controlledByDaemonSet(pod) {
		return false
	}
	group, _, named := strings.Cut(metav1.GetControllerOf(pod).APIVersion, "/")
	return named && group != appsv1.GroupName
}

func ready(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func priority(p *corev1.Pod) int32 {
	if p.Spec.Priority == nil {
		return 0
	}
	return *p.Spec.Priority
}

func key(p *corev1.Pod) string { return p.Namespace + "/" + p.Name }
