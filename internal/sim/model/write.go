package model

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
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
	o, err := s.decode(t, r.Body)
	if err != nil {
		return Response{}, err
	}
	o.SetNamespace(t.namespace)
	if t.objects[key(t.namespace, o.GetName())] != nil {
		return Response{}, apierrors.NewAlreadyExists(t.resource(), o.GetName())
	}
	s.birth(o)
	if t.Kind.Status { // nobody is born with a status
		if f := part(o, "Status"); f.IsValid() {
			f.SetZero()
		}
	}
	return t.reply(r, 201, s.commit(t.shelf, nil, o)), nil
}

func (s *Server) update(t target, r *Request) (Response, error) {
	old, err := s.get(t)
	if err != nil {
		return Response{}, err
	}
	next, err := s.decode(t, r.Body)
	if err != nil {
		return Response{}, err
	}
	return s.replace(t, old, next, r)
}

// replace commits next over old, after the checks that every write passes.
func (s *Server) replace(t target, old *object, next client.Object, r *Request) (Response, error) {
	if rv := next.GetResourceVersion(); rv != "" && rv != old.GetResourceVersion() {
		return Response{}, apierrors.NewConflict(t.resource(), t.name, fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
	}
	if uid := next.GetUID(); uid != "" && uid != old.GetUID() {
		return Response{}, apierrors.NewConflict(t.resource(), t.name, fmt.Errorf("precondition failed: UID in precondition: %s, UID in object meta: %s", uid, old.GetUID()))
	}
	if t.Kind.Status {
		next = keepStatus(next, old.Object, t.sub == "status")
	}
	next.SetUID(old.GetUID())
	next.SetCreationTimestamp(old.GetCreationTimestamp())
	next.SetDeletionTimestamp(old.GetDeletionTimestamp())
	next.SetGeneration(old.GetGeneration())
	next.SetName(old.GetName())
	next.SetNamespace(old.GetNamespace())
	next = t.track(old.Object, next, r)
	if specChanged(old.Object, next) && t.sub != "status" {
		next.SetGeneration(old.GetGeneration() + 1)
	}
	next.SetResourceVersion(old.GetResourceVersion())
	if equality.Semantic.DeepEqual(old.Object, next) {
		return t.reply(r, 200, old), nil // nothing changed: no new version
	}
	if next.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0 && len(old.GetFinalizers()) > 0 {
		s.drop(t.shelf, old)
		return t.reply(r, 200, old), nil
	}
	return t.reply(r, 200, s.commit(t.shelf, old, next)), nil
}

// track notes who owns which field, so that a later apply can tell.
func (t target) track(old, next client.Object, r *Request) client.Object {
	owners := t.owners
	if t.sub == "status" {
		owners = t.statusOwners
	}
	if owners == nil || r.ContentType == string(types.ApplyPatchType) {
		return next
	}
	manager := r.Query.Get("fieldManager")
	if manager == "" {
		manager = "unknown"
	}
	after := owners.UpdateNoErrors(plant(t.GroupVersionKind, old), plant(t.GroupVersionKind, next), manager).(*sapling)
	next.SetManagedFields(after.ManagedFields)
	return next
}

func (s *Server) patch(t target, r *Request) (Response, error) {
	if r.ContentType == string(types.ApplyPatchType) {
		return s.apply(t, r)
	}
	old, err := s.get(t)
	if err != nil {
		return Response{}, err
	}
	if r.ContentType != string(types.MergePatchType) {
		return Response{}, apierrors.NewGenericServerResponse(415, "patch", t.resource(), t.name, "the model knows merge patches and apply, not "+r.ContentType, 0, true)
	}
	text, err := jsonpatch.MergePatch(old.json(), r.Body)
	if err != nil {
		return Response{}, apierrors.NewBadRequest(err.Error())
	}
	next, err := s.decode(t, text)
	if err != nil {
		return Response{}, err
	}
	return s.replace(t, old, next, r)
}

// apply is server-side apply. It makes the object if there is none, as the API
// does, unless a UID or a status was applied.
func (s *Server) apply(t target, r *Request) (Response, error) {
	owners := t.owners
	if t.sub == "status" {
		owners = t.statusOwners
	}
	old, err := s.get(t)
	if err != nil {
		return Response{}, err
	}
	if owners == nil {
		return Response{}, apierrors.NewGenericServerResponse(415, "patch", t.resource(), t.name, "the model applies Nodes and Pools only", 0, true)
	}
	var u unstructured.Unstructured
	if err := json.Unmarshal(r.Body, &u.Object); err != nil {
		return Response{}, apierrors.NewBadRequest(err.Error())
	}
	if rv := u.GetResourceVersion(); rv != "" && rv != old.GetResourceVersion() {
		return Response{}, apierrors.NewConflict(t.resource(), t.name, fmt.Errorf("the object has been modified"))
	}
	if uid := u.GetUID(); uid != "" && uid != old.GetUID() {
		return Response{}, apierrors.NewConflict(t.resource(), t.name, fmt.Errorf("UID mismatch: the provided object specified uid %s, and no existing object was found", uid))
	}
	unstructured.RemoveNestedField(u.Object, "metadata", "resourceVersion")
	unstructured.RemoveNestedField(u.Object, "metadata", "uid")
	out, err := owners.Apply(plant(t.GroupVersionKind, old.Object), &u, r.Query.Get("fieldManager"), r.Query.Get("force") == "true")
	if err != nil {
		return Response{}, err
	}
	next, err := s.grown(t, out)
	if err != nil {
		return Response{}, err
	}
	if sameButOwners(old.Object, next) { // an apply that changes nothing leaves the old timestamps
		next.SetManagedFields(old.GetManagedFields())
	}
	next.SetUID("")
	next.SetResourceVersion("")
	return s.replace(t, old, next, r)
}

// sameButOwners is whether two versions differ in the times of managed fields at
// most.
func sameButOwners(a, b client.Object) bool {
	x, y := a.GetManagedFields(), b.GetManagedFields()
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		one, other := x[i], y[i]
		one.Time, other.Time = nil, nil
		if !equality.Semantic.DeepEqual(one, other) {
			return false
		}
	}
	a.SetManagedFields(nil)
	b.SetManagedFields(nil)
	same := equality.Semantic.DeepEqual(a, b)
	a.SetManagedFields(x)
	b.SetManagedFields(y)
	return same
}

func (s *Server) remove(t target, r *Request) (Response, error) {
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
	s.delete(t, old, options.GracePeriodSeconds)
	return t.reply(r, 200, old), nil
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

// delete marks what takes time to die and drops the rest.
func (s *Server) delete(t target, old *object, grace *int64) {
	pod, isPod := old.Object.(*corev1.Pod)
	if !isPod && len(old.GetFinalizers()) == 0 || isPod && pod.Spec.NodeName == "" {
		s.drop(t.shelf, old)
		return
	}
	if old.GetDeletionTimestamp() != nil {
		return
	}
	seconds := int64(0)
	if isPod {
		seconds = 30
		if pod.Spec.TerminationGracePeriodSeconds != nil {
			seconds = *pod.Spec.TerminationGracePeriodSeconds
		}
	}
	if grace != nil {
		seconds = *grace
	}
	next := old.DeepCopyObject().(client.Object)
	at := metav1.NewTime(time.Now().Add(time.Duration(seconds) * time.Second).Truncate(time.Second))
	next.SetDeletionTimestamp(&at)
	next.SetDeletionGracePeriodSeconds(&seconds)
	s.commit(t.shelf, old, next)
}

// Writes is whether a path of this method and resource belongs to leader
// election rather than to the work.
func Electing(r *Request) bool {
	return strings.Contains(r.Path, "/leases/") || strings.HasSuffix(r.Path, "/leases")
}
