package model

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func (s *Server) remove(t target, r *Request) (Response, error) {
	if t.name == "" {
		return Response{}, apierrors.NewMethodNotSupported(t.resource(), "deletecollection")
	}
	old, err := s.get(t)
	if err != nil {
		return Response{}, err
	}
	var options metav1.DeleteOptions
	if len(r.Body) > 0 {
		if err := json.Unmarshal(r.Body, &options); err != nil {
			return Response{}, apierrors.NewBadRequest(err.Error())
		}
	}
	if err := checkPreconditions(t, old, options.Preconditions); err != nil {
		return Response{}, err
	}
	last := s.delete(t, old, options.GracePeriodSeconds)
	if t.objects[key(t.namespace, t.name)] == nil && t.Resource != "pods" {
		return Response{Status: 200, ContentType: formJSON, Body: encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess})}, nil
	}
	return t.reply(r, 200, last), nil
}

func checkPreconditions(t target, old *object, p *metav1.Preconditions) error {
	if p == nil {
		return nil
	}
	if p.UID != nil && *p.UID != old.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != old.GetResourceVersion() {
		return apierrors.NewConflict(t.resource(), t.name, fmt.Errorf("the preconditions do not hold"))
	}
	return nil
}

// delete ends what may end at once, and marks what takes time to die: a Pod on a
// node, and what a finalizer holds. What it returns is the last there is to see.
func (s *Server) delete(t target, old *object, grace *int64) *object {
	pod, isPod := old.Object.(*corev1.Pod)
	if !isPod && len(old.GetFinalizers()) == 0 {
		return s.drop(t.shelf, old)
	}
	seconds := int64(0)
	if isPod {
		seconds = graceOf(pod, grace)
	}
	if given := old.GetDeletionGracePeriodSeconds(); old.GetDeletionTimestamp() != nil && (grace == nil || seconds >= *given) {
		if *given > 0 || len(old.GetFinalizers()) > 0 {
			return old // it is on its way, and a grace can only be shortened
		}
		return s.drop(t.shelf, old)
	}
	next := old.DeepCopyObject().(client.Object)
	at := s.stamp(time.Duration(seconds) * time.Second)
	s.noteDue(old.GetUID(), time.Duration(seconds)*time.Second)
	next.SetDeletionTimestamp(&at)
	next.SetDeletionGracePeriodSeconds(&seconds)
	if t.Kind.Counts && old.GetDeletionTimestamp() == nil {
		next.SetGeneration(next.GetGeneration() + 1)
	}
	marked := s.commit(t.shelf, old, next)
	if seconds == 0 && len(next.GetFinalizers()) == 0 {
		return s.drop(t.shelf, marked)
	}
	return marked
}

// graceOf is how long a Pod has: none if it is nowhere or has ended.
func graceOf(pod *corev1.Pod, asked *int64) int64 {
	switch {
	case pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed:
		return 0
	case asked != nil:
		return max(*asked, 0)
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		return *pod.Spec.TerminationGracePeriodSeconds
	}
	return 30
}

// Electing is whether a request belongs to leader election rather than to the
// work.
func Electing(r *Request) bool {
	return strings.Contains(r.Path, "/leases/") || strings.HasSuffix(r.Path, "/leases")
}
