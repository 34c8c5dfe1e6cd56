package model

import (
	"encoding/json"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func (s *Server) patch(t target, r *Request) (Response, error) {
	if t.name == "" {
		return Response{}, apierrors.NewMethodNotSupported(t.resource(), "patch")
	}
	if r.ContentType == string(types.ApplyPatchType) {
		return s.apply(t, r)
	}
	known := r.ContentType == string(types.MergePatchType) || r.ContentType == string(types.JSONPatchType) || r.ContentType == string(types.StrategicMergePatchType) && t.binary
	if !known {
		return Response{}, apierrors.NewGenericServerResponse(415, "patch", t.resource(), t.name, "no such patch: "+r.ContentType, 0, false)
	}
	old, err := s.get(t)
	if err != nil {
		return Response{}, err
	}
	text, err := patched(old, r)
	if err != nil {
		return Response{}, err
	}
	next, err := s.decode(t, text)
	if err != nil {
		return Response{}, err
	}
	if err := checkUID(t, next, old); err != nil {
		return Response{}, invalid(t, "metadata.uid", err.Error())
	}
	return s.replace(t, old, next, r)
}

// patched is the object's JSON with the patch in it. A published kind's Go type
// says how the strategic one merges its lists.
func patched(old *object, r *Request) (text []byte, err error) {
	switch r.ContentType {
	case string(types.StrategicMergePatchType):
		text, err = strategicpatch.StrategicMergePatch(old.json(), r.Body, old.Object)
	case string(types.JSONPatchType):
		var p jsonpatch.Patch
		if p, err = jsonpatch.DecodePatch(r.Body); err != nil {
			break
		}
		if text, err = p.Apply(old.json()); err != nil {
			return nil, apierrors.NewGenericServerResponse(422, "patch", schema.GroupResource{}, "", err.Error(), 0, false)
		}
	default:
		text, err = jsonpatch.MergePatch(old.json(), r.Body)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return text, nil
}

// apply is server-side apply. It makes the object if there is none, as the API
// does, unless a UID or a status was applied.
func (s *Server) apply(t target, r *Request) (Response, error) {
	owners := t.owners
	if t.sub == "status" {
		owners = t.statusOwners
	}
	if owners == nil {
		return Response{}, apierrors.NewGenericServerResponse(415, "patch", t.resource(), t.name, "the model applies Nodes and Pools only", 0, true)
	}
	var u unstructured.Unstructured
	if err := json.Unmarshal(r.Body, &u.Object); err != nil {
		return Response{}, apierrors.NewBadRequest(err.Error())
	}
	old, err := s.get(t)
	if apierrors.IsNotFound(err) && t.sub == "" {
		return s.applyNew(t, &u, r)
	}
	if err != nil {
		return Response{}, err
	}
	if rv := u.GetResourceVersion(); rv != "" && rv != old.GetResourceVersion() {
		return Response{}, apierrors.NewConflict(t.resource(), t.name, fmt.Errorf("the object has been modified"))
	}
	if err := checkUID(t, &u, old); err != nil {
		return Response{}, invalid(t, "metadata.uid", err.Error())
	}
	live := plant(t.GroupVersionKind, old.Object)
	out, err := s.merged(t, live, &u, r)
	if err != nil {
		return Response{}, err
	}
	if out == runtime.Object(live) && (t.rules == nil || t.sub == "status") { // there is nothing to judge
		return t.reply(r, 200, old), t.bounded(old.Object)
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

// merged is what the field managers make of what there is and what is applied.
func (s *Server) merged(t target, live *sapling, u *unstructured.Unstructured, r *Request) (runtime.Object, error) {
	owners := t.owners
	if t.sub == "status" {
		owners = t.statusOwners
	}
	u = &unstructured.Unstructured{Object: u.Object}
	unstructured.RemoveNestedField(u.Object, "metadata", "resourceVersion")
	unstructured.RemoveNestedField(u.Object, "metadata", "uid")
	manager := r.Query.Get("fieldManager")
	if next := t.again(owners, live, u, manager); next != nil {
		return next, nil
	}
	return owners.Apply(live, u, manager, r.Query.Get("force") == "true")
}

func (s *Server) applyNew(t target, u *unstructured.Unstructured, r *Request) (Response, error) {
	if u.GetUID() != "" {
		return Response{}, apierrors.NewConflict(t.resource(), t.name, fmt.Errorf("uid mismatch: it is applied to one that is not there"))
	}
	out, err := s.merged(t, converter{s.scheme}.seed(t.GroupVersionKind), u, r)
	if err != nil {
		return Response{}, err
	}
	o, err := s.grown(t, out)
	if err != nil {
		return Response{}, err
	}
	return s.bear(t, o, r)
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
