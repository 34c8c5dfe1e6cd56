package model

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// evict is the Eviction API: a pod leaves if its budget allows, and the budget is
// spent in the same breath, so that two askers cannot both have the last one.
func (s *Server) evict(t target, r *Request) (Response, error) {
	old, err := s.get(t)
	if err != nil {
		return Response{}, err
	}
	var e policyv1.Eviction
	if err := json.Unmarshal(r.Body, &e); err != nil {
		return Response{}, apierrors.NewBadRequest(err.Error())
	}
	options := e.DeleteOptions
	if options == nil {
		options = &metav1.DeleteOptions{}
	}
	done := Response{Status: 201, ContentType: formJSON, Body: encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess, Code: 201})}
	pod := old.Object.(*corev1.Pod)
	free := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodPending || pod.DeletionTimestamp != nil
	if !free {
		if err := s.spend(pod); err != nil {
			return Response{}, err
		}
	}
	if err := checkPreconditions(t, old, options.Preconditions); err != nil { // the budget is spent all the same
		return Response{}, err
	}
	s.delete(t, s.disrupted(t, old), options.GracePeriodSeconds)
	return done, nil
}

// disrupted is the pod with the condition that says why it goes.
func (s *Server) disrupted(t target, old *object) *object {
	next := old.DeepCopyObject().(*corev1.Pod)
	for i := range next.Status.Conditions {
		if next.Status.Conditions[i].Type == corev1.DisruptionTarget {
			return old
		}
	}
	now := s.stamp(0)
	next.Status.Conditions = append(next.Status.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue,
		Reason: "EvictionByEvictionAPI", Message: "Eviction API: evicting", LastTransitionTime: now})
	return s.commit(t.shelf, old, next)
}

// budgets are the PDBs that select the pod, by name.
func (s *Server) budgets(pod *corev1.Pod) []*policyv1.PodDisruptionBudget {
	var out []*policyv1.PodDisruptionBudget
	s.Each("poddisruptionbudgets", func(o client.Object) {
		b := o.(*policyv1.PodDisruptionBudget)
		sel, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err == nil && b.Namespace == pod.Namespace && sel.Matches(labels.Set(pod.Labels)) {
			out = append(out, b)
		}
	})
	return out
}

// spend takes one disruption from the pod's budget.
func (s *Server) spend(pod *corev1.Pod) error {
	budgets := s.budgets(pod)
	switch {
	case len(budgets) == 0:
		return nil
	case len(budgets) > 1:
		return apierrors.NewGenericServerResponse(500, "create", schemaPods, pod.Name, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.", 0, true)
	}
	b := budgets[0]
	if p := b.Spec.UnhealthyPodEvictionPolicy; !healthy(pod) && p != nil && *p == policyv1.AlwaysAllow {
		return nil
	}
	if !healthy(pod) && b.Status.CurrentHealthy >= b.Status.DesiredHealthy && b.Status.DesiredHealthy > 0 {
		return nil // a pod that is not Ready does not count anyway
	}
	if b.Status.ObservedGeneration < b.Generation {
		return tooMany(b, "The disruption budget "+b.Name+" is still being processed by the server.", 10)
	}
	if b.Status.DisruptionsAllowed <= 0 {
		return tooMany(b, "Cannot evict pod as it would violate the pod's disruption budget.", 0)
	}
	s.Edit(b, func(o client.Object) {
		b := o.(*policyv1.PodDisruptionBudget)
		b.Status.DisruptionsAllowed--
		if b.Status.DisruptedPods == nil {
			b.Status.DisruptedPods = map[string]metav1.Time{}
		}
		b.Status.DisruptedPods[pod.Name] = metav1.Now()
	})
	return nil
}

var schemaPods = corev1.Resource("pods")

func tooMany(b *policyv1.PodDisruptionBudget, message string, after int) error {
	err := apierrors.NewTooManyRequests(message, after)
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: policyv1.DisruptionBudgetCause, Message: "The disruption budget " + b.Name + " does not allow it now"})
	return err
}

func healthy(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
