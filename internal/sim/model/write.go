package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func (s *Server) decode(t target, text []byte) (client.Object, error) {
	o, err := s.newObject(t.Kind)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, o); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	o.GetObjectKind().SetGroupVersionKind(t.GroupVersionKind)
	return o, nil
}

func (s *Server) create(t target, r *Request) (Response, error) {
	if t.name != "" && t.binary { // of a custom resource the server takes it
		return Response{}, apierrors.NewMethodNotSupported(t.resource(), "create")
	}
	o, err := s.decode(t, r.Body)
	if err != nil {
		return Response{}, err
	}
	return s.bear(t, o, r)
}

// bear commits a new object.
func (s *Server) bear(t target, o client.Object, r *Request) (Response, error) {
	if o.GetResourceVersion() != "" {
		return Response{}, &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 500, Message: "resourceVersion should not be set on objects to be created"}}
	}
	o.SetNamespace(t.namespace)
	if t.objects[key(t.namespace, o.GetName())] != nil {
		return Response{}, apierrors.NewAlreadyExists(t.resource(), o.GetName())
	}
	s.birth(t.shelf, o)
	reset(t, o)
	if err := t.bounded(o); err != nil {
		return Response{}, err
	}
	if err := t.valid(o, nil); err != nil {
		return Response{}, err
	}
	if r.ContentType != string(types.ApplyPatchType) {
		s.book(t, nil, o, r)
	}
	admit(o)
	return t.reply(r, 201, s.commit(t.shelf, nil, o)), nil
}

// reset takes the status of what is born: nobody has one but Nodes, which say it
// themselves, and Pods wait.
func reset(t target, o client.Object) {
	switch o := o.(type) {
	case *corev1.Node:
		return
	case *corev1.Pod:
		o.Status = corev1.PodStatus{Phase: corev1.PodPending}
		return
	}
	if f := part(o, "Status"); t.Kind.Status && f.IsValid() {
		f.SetZero()
	}
}

// admit is admission: a Node takes no Pods before it is Ready. Nobody owns what it
// adds.
func admit(o client.Object) {
	n, ok := o.(*corev1.Node)
	notReady := corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}
	if ok && !slices.ContainsFunc(n.Spec.Taints, func(x corev1.Taint) bool { return x.MatchTaint(&notReady) }) {
		n.Spec.Taints = append(n.Spec.Taints, notReady)
	}
}

func (s *Server) update(t target, r *Request) (Response, error) {
	if t.name == "" {
		return Response{}, apierrors.NewMethodNotSupported(t.resource(), "update")
	}
	next, err := s.decode(t, r.Body)
	if err != nil {
		return Response{}, err
	}
	old, err := s.get(t)
	if apierrors.IsNotFound(err) && t.Kind.Upsert && t.sub == "" {
		if next.GetUID() != "" {
			return Response{}, apierrors.NewConflict(t.resource(), t.name, fmt.Errorf("precondition failed: UID in precondition: %s, and there is none", next.GetUID()))
		}
		next.SetName(t.name)
		next.SetResourceVersion("")
		return s.bear(t, next, r)
	}
	if err != nil {
		return Response{}, err
	}
	if err := checkUID(t, next, old); err != nil {
		return Response{}, apierrors.NewConflict(t.resource(), t.name, err)
	}
	if next.GetResourceVersion() == "" && t.Kind.Strict {
		return Response{}, invalid(t, "metadata.resourceVersion", "must be specified for an update")
	}
	return s.replace(t, old, next, r)
}

func checkUID(t target, next client.Object, old *object) error {
	if uid := next.GetUID(); uid != "" && uid != old.GetUID() {
		return fmt.Errorf("precondition failed: UID in precondition: %s, UID in object meta: %s", uid, old.GetUID())
	}
	return nil
}

func invalid(t target, path, why string) error {
	return apierrors.NewInvalid(t.GroupVersionKind.GroupKind(), t.name, field.ErrorList{field.Invalid(field.NewPath(path), nil, why)})
}

// replace commits next over old, after the checks that every write passes.
func (s *Server) replace(t target, old *object, next client.Object, r *Request) (Response, error) {
	if rv := next.GetResourceVersion(); rv != "" && rv != old.GetResourceVersion() {
		return Response{}, apierrors.NewConflict(t.resource(), t.name, fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
	}
	next = t.keep(next, old.Object)
	next.SetUID(old.GetUID())
	next.SetCreationTimestamp(old.GetCreationTimestamp())
	next.SetDeletionTimestamp(old.GetDeletionTimestamp())
	next.SetGeneration(old.GetGeneration())
	next.SetName(old.GetName())
	next.SetNamespace(old.GetNamespace())
	next.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
	if old.GetDeletionTimestamp() != nil && slices.ContainsFunc(next.GetFinalizers(), func(f string) bool { return !slices.Contains(old.GetFinalizers(), f) }) {
		return Response{}, invalid(t, "metadata.finalizers", "no new finalizers can be added if the object is being deleted")
	}
	if err := t.bounded(next); err != nil {
		return Response{}, err
	}
	if err := t.valid(next, old.Object); err != nil {
		return Response{}, err
	}
	if r.ContentType != string(types.ApplyPatchType) {
		s.book(t, old.Object, next, r)
	}
	if t.Kind.Counts && specChanged(old.Object, next) && t.sub != "status" {
		next.SetGeneration(old.GetGeneration() + 1)
	}
	next.SetResourceVersion(old.GetResourceVersion())
	if equality.Semantic.DeepEqual(old.Object, next) {
		return t.reply(r, 200, old), nil // nothing changed: no new version
	}
	if grace := next.GetDeletionGracePeriodSeconds(); next.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0 && (grace == nil || *grace == 0) {
		s.drop(t.shelf, &object{Object: next}) // the last that held it has let go
		return t.reply(r, 200, &object{Object: next}), nil
	}
	return t.reply(r, 200, s.commit(t.shelf, old, next)), nil
}

// book notes who owns which field, so that a later apply can tell.
func (s *Server) book(t target, old, next client.Object, r *Request) {
	owners := t.owners
	if t.sub == "status" {
		owners = t.statusOwners
	}
	if owners == nil {
		next.SetManagedFields(nil)
		return
	}
	manager := r.Query.Get("fieldManager")
	if manager == "" {
		manager = "unknown"
	}
	before := converter{s.scheme}.seed(t.GroupVersionKind)
	if old != nil {
		before = plant(t.GroupVersionKind, old)
	}
	after := owners.UpdateNoErrors(before, plant(t.GroupVersionKind, next), manager).(*sapling)
	next.SetManagedFields(dated(after.ManagedFields))
}

// dated cuts the times to what JSON knows of them.
func dated(book []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	for i := range book {
		if t := book[i].Time; t != nil {
			book[i].Time = &metav1.Time{Time: t.Truncate(time.Second)}
		}
	}
	return book
}
