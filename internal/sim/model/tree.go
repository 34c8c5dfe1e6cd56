package model

import (
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// A sapling is an object as the field managers see it: its fields as a tree of
// maps, which the merge walks five times as quickly as a Go struct, and beside it,
// typed, the metadata in which the managers keep their book. The tree has no
// managedFields.
type sapling struct {
	metav1.PartialObjectMetadata
	tree map[string]any
}

// DeepCopyObject implements runtime.Object. The tree is never written to.
func (s *sapling) DeepCopyObject() runtime.Object {
	return &sapling{*s.PartialObjectMetadata.DeepCopy(), s.tree}
}

// plant makes a sapling of an object. Its book is a copy: the managers tear pages
// out of it.
func plant(kind schema.GroupVersionKind, o client.Object) *sapling {
	book := o.GetManagedFields()
	o.SetManagedFields(nil) // to turn them into a tree is half of the work
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	o.SetManagedFields(book)
	if err != nil {
		panic(fmt.Sprintf("plant %T: %v", o, err)) // API types always convert
	}
	if _, published := o.(marshaler); !published && bare(tree["status"]) {
		delete(tree, "status") // a custom resource has none before somebody writes it
	}
	s := &sapling{tree: tree}
	s.SetGroupVersionKind(kind)
	s.ManagedFields = book
	s.ResourceVersion = o.GetResourceVersion()
	return s
}

// grown is what has become of one, with its Go type and the managers' book.
func (s *Server) grown(t target, r runtime.Object) (client.Object, error) {
	got, ok := r.(*sapling)
	if !ok {
		return nil, apierrors.NewInternalError(fmt.Errorf("the field manager has made a %T", r))
	}
	o, err := s.newObject(t.Kind)
	if err != nil {
		return nil, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(got.tree, o); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	o.GetObjectKind().SetGroupVersionKind(t.GroupVersionKind)
	o.SetManagedFields(dated(got.ManagedFields))
	return o, nil
}

// gardener is a TypeConverter for saplings; the rest it leaves to the schema's own.
// A sapling grew from a Go type, so that its fields are of the types that they
// should be: to check them again was a fifth of an apply.
type gardener struct {
	managedfields.TypeConverter
	soils *sync.Map // *typed.TypedValue by kind: who has its schema and its type
}

// ObjectToTyped implements managedfields.TypeConverter.
func (g gardener) ObjectToTyped(o runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	s, ok := o.(*sapling)
	if !ok {
		return g.TypeConverter.ObjectToTyped(o, opts...)
	}
	kind := s.GroupVersionKind()
	if soil, ok := g.soils.Load(kind); ok {
		v := soil.(*typed.TypedValue)
		//lint:ignore SA1019 a tree that was checked when it was stored is not checked again
		return typed.AsTypedUnvalidated(value.NewValueInterface(s.tree), v.Schema(), v.TypeRef()), nil
	}
	v, err := g.TypeConverter.ObjectToTyped(&unstructured.Unstructured{Object: s.tree}, opts...)
	if err == nil {
		g.soils.Store(kind, v)
	}
	return v, err
}

// TypedToObject implements managedfields.TypeConverter.
func (g gardener) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	tree, ok := v.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a value of no fields")
	}
	s := &sapling{tree: tree}
	s.APIVersion, _ = tree["apiVersion"].(string)
	s.Kind, _ = tree["kind"].(string)
	return s, nil
}

// bare is whether there is nothing but zeros.
func bare(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			if !bare(x) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	case int64:
		return v == 0
	}
	return v == nil || v == "" || v == false
}

// seed is an empty one: of a published kind it has a spec and a status, if empty
// ones.
func (c converter) seed(kind schema.GroupVersionKind) *sapling {
	o, err := c.Scheme.New(kind)
	if _, published := o.(marshaler); err == nil && published {
		o.GetObjectKind().SetGroupVersionKind(kind)
		return plant(kind, o.(client.Object))
	}
	s := &sapling{tree: map[string]any{"apiVersion": kind.GroupVersion().String(), "kind": kind.Kind}}
	s.SetGroupVersionKind(kind)
	return s
}
