package buffer

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Controller is an owner of pods that wants a number of them.
type Controller struct {
	Kind, Namespace, Name string
	UID                   types.UID
	Template              *corev1.PodTemplateSpec
	// Want is how many pods there are to be at this moment.
	Want int
}

// OfReplicaSet is the controller that this object is, as [OfStatefulSet] and [OfJob] are.
// An autoscaler of pods acts through them: it raises the number, and the pods
// come one by one.
func OfReplicaSet(r *appsv1.ReplicaSet) Controller {
	return Controller{"ReplicaSet", r.Namespace, r.Name, r.UID, &r.Spec.Template, alive(r, r.Spec.Replicas)}
}

// OfStatefulSet see [OfReplicaSet]. Its pods may come one after the other, each
// when the last is Ready: the room for all of them is made at once.
func OfStatefulSet(s *appsv1.StatefulSet) Controller {
	return Controller{"StatefulSet", s.Namespace, s.Name, s.UID, &s.Spec.Template, alive(s, s.Spec.Replicas)}
}

// OfJob see [OfReplicaSet].
func OfJob(j *batchv1.Job) Controller {
	want := 0
	if j.DeletionTimestamp == nil && (j.Spec.Suspend == nil || !*j.Spec.Suspend) && j.Status.CompletionTime == nil && !failed(j) {
		want = 1
		if j.Spec.Parallelism != nil {
			want = int(*j.Spec.Parallelism)
		}
		if j.Spec.Completions != nil {
			want = min(want, int(*j.Spec.Completions-j.Status.Succeeded))
		} else if j.Status.Succeeded > 0 {
			want = 0 // of a work queue that has had a success no new pod comes
		}
	}
	return Controller{"Job", j.Namespace, j.Name, j.UID, &j.Spec.Template, max(0, want)}
}

func failed(j *batchv1.Job) bool {
	return slices.ContainsFunc(j.Status.Conditions, func(c batchv1.JobCondition) bool {
		return (c.Type == batchv1.JobFailed || c.Type == batchv1.JobFailureTarget) && c.Status == corev1.ConditionTrue
	})
}

func alive(o metav1.Object, replicas *int32) int {
	switch {
	case o.GetDeletionTimestamp() != nil:
		return 0
	case replicas == nil:
		return 1
	}
	return max(0, int(*replicas))
}

// controllers are wishes for the pods that are yet to be created.
func controllers(o Objects) []Wish {
	if len(o.Controllers) == 0 {
		return nil
	}
	have := map[types.UID]int{}
	for _, pod := range o.Pods {
		over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil && !over {
			have[owner.UID]++
		}
	}
	var out []Wish
	for _, c := range o.Controllers {
		if n := c.Want - have[c.UID]; n > 0 {
			w := Wish{Kind: c.Kind, Namespace: c.Namespace, Name: c.Name}
			w.Pods = virtual(w.ID(), c.Namespace, c.Template, 0, min(n, MaxPods), nil)
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b Wish) int { return strings.Compare(a.ID(), b.ID()) })
	return out
}
