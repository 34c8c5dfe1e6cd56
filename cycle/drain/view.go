package drain

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/kubectl/pkg/drain"
)

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
