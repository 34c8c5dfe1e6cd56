package drain

import (
	"context"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/kubectl/pkg/drain"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// Classes are a node's pods by what a drain does with them.
type Classes struct {
	// Evictable have to be asked to leave, those of low priority first.
	Evictable []*corev1.Pod
	// Leaving are terminating already.
	Leaving []*corev1.Pod
	// Blocked must not be asked.
	Blocked []Block
}

// Classify is pure. Pods that stay with the node until its end are in no class:
// DaemonSet and mirror pods, finished ones, and on a dead kubelet those whose
// grace is over, which only the end of the machine can finish.
func Classify(node *corev1.Node, pods []corev1.Pod, sets []*appsv1.DaemonSet, now time.Time) Classes {
	var c Classes
	for i := range pods {
		c.add(node, &pods[i], sets, now)
	}
	slices.SortStableFunc(c.Evictable, func(a, b *corev1.Pod) int { return int(priority(a)) - int(priority(b)) })
	return c
}

func (c *Classes) add(node *corev1.Node, pod *corev1.Pod, sets []*appsv1.DaemonSet, now time.Time) {
	switch {
	case pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed:
		return
	case pod.DeletionTimestamp != nil:
		// The deletion timestamp has the grace period in it.
		if !staysAnyway(pod, sets) && (ready(node) || now.Before(pod.DeletionTimestamp.Time)) {
			c.Leaving = append(c.Leaving, pod)
		}
		return
	}
	evictable, why := filter(pod, sets)
	switch {
	case why != "":
		reason := Unmanaged
		if controlledByDaemonSet(pod) {
			reason = DaemonSetGone
		}
		c.Blocked = append(c.Blocked, Block{Pod: key(pod), Reason: reason, Message: why})
	case evictable:
		c.addEvictable(pod, now)
	}
}

func (c *Classes) addEvictable(pod *corev1.Pod, now time.Time) {
	protected, malformed := world.DoNotDisrupt(pod.Annotations, pod.CreationTimestamp.Time, now)
	switch {
	case malformed:
		c.Blocked = append(c.Blocked, Block{Pod: key(pod), Reason: DoNotDisrupt,
			Message: "annotation " + v1alpha1.AnnotationDoNotDisrupt + ` is neither "true" nor a duration such as "2h"; the pod is kept to be safe`})
	case protected:
		c.Blocked = append(c.Blocked, Block{Pod: key(pod), Reason: DoNotDisrupt,
			Message: "annotation " + v1alpha1.AnnotationDoNotDisrupt + " protects the pod"})
	default:
		c.Evictable = append(c.Evictable, pod)
	}
}

// filter asks kubectl's filters about one pod: whether it has to be evicted,
// and why it must not be, if so. A pod at a time, since the library tells
// reasons apart only in prose.
func filter(pod *corev1.Pod, sets []*appsv1.DaemonSet) (evictable bool, why string) {
	h := drain.Helper{
		Ctx: context.Background(), Client: view{pod: pod, sets: sets},
		GracePeriodSeconds: -1, IgnoreAllDaemonSets: true, DeleteEmptyDirData: true,
		EvictErrorRetryDelay: firstWait, // unused here, and never left zero
	}
	list, errs := h.GetPodsForDeletion("")
	if len(errs) > 0 {
		return false, errs[0].Error()
	}
	return len(list.Pods()) == 1, ""
}

func staysAnyway(pod *corev1.Pod, sets []*appsv1.DaemonSet) bool {
	evictable, why := filter(pod, sets)
	return !evictable && why == ""
}

func controlledByDaemonSet(pod *corev1.Pod) bool {
	ref := metav1.GetControllerOf(pod)
	return ref != nil && ref.Kind == "DaemonSet"
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

// view is the cluster as kubectl's filters see it: one pod, and the DaemonSets
// of the snapshot. The filters ask for the DaemonSet of every pod they meet,
// and one refused answer would fail the whole drain; so they ask memory.
type view struct {
	kubernetes.Interface
	pod  *corev1.Pod
	sets []*appsv1.DaemonSet
}

func (v view) CoreV1() corev1client.CoreV1Interface { return coreView{v: v} }
func (v view) AppsV1() appsv1client.AppsV1Interface { return appsView{v: v} }

type coreView struct {
	corev1client.CoreV1Interface
	v view
}

func (c coreView) Pods(string) corev1client.PodInterface { return podView{v: c.v} }

type podView struct {
	corev1client.PodInterface
	v view
}

func (p podView) List(context.Context, metav1.ListOptions) (*corev1.PodList, error) {
	return &corev1.PodList{Items: []corev1.Pod{*p.v.pod}}, nil
}

type appsView struct {
	appsv1client.AppsV1Interface
	v view
}

func (a appsView) DaemonSets(namespace string) appsv1client.DaemonSetInterface {
	return setView{v: a.v, namespace: namespace}
}

type setView struct {
	appsv1client.DaemonSetInterface
	v         view
	namespace string
}

func (s setView) Get(_ context.Context, name string, _ metav1.GetOptions) (*appsv1.DaemonSet, error) {
	for _, set := range s.v.sets {
		if set.Namespace == s.namespace && set.Name == name {
			return set, nil
		}
	}
	return nil, apierrors.NewNotFound(appsv1.Resource("daemonsets"), name)
}
