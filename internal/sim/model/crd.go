package model

import (
	"context"
	"fmt"
	"math"
	"reflect"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A rulebook is what a definition of a custom resource says of its objects: which
// fields have which values, what is there when nobody says, and which rules hold
// between them. It is the API server's own code that reads it.
type rulebook struct {
	schema *structural.Structural
	fields validation.SchemaValidator
	status validation.SchemaValidator // of that field alone
	rules  *cel.Validator
}

func readRules(crd *apiextensionsv1.CustomResourceDefinition) (*rulebook, error) {
	var props apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &props, nil); err != nil {
		return nil, fmt.Errorf("convert schema of %s: %w", crd.Name, err)
	}
	b := &rulebook{}
	var err error
	if b.schema, err = structural.NewStructural(&props); err != nil {
		return nil, fmt.Errorf("read schema of %s: %w", crd.Name, err)
	}
	if b.fields, _, err = validation.NewSchemaValidator(&props); err != nil {
		return nil, fmt.Errorf("read schema of %s: %w", crd.Name, err)
	}
	status := props.Properties["status"]
	if b.status, _, err = validation.NewSchemaValidator(&status); err != nil {
		return nil, fmt.Errorf("read schema of %s's status: %w", crd.Name, err)
	}
	b.rules = cel.NewValidator(b.schema, true, celconfig.PerCallLimit)
	return b, nil
}

// valid fills in defaults and refuses what the definition does not allow. old is
// nil at birth.
func (t target) valid(next, old client.Object) error {
	if t.rules == nil {
		return nil
	}
	if t.sub == "status" { // all the rest is what it was, and the rules are about the spec
		return t.validStatus(next, old)
	}
	now, before := plant(t.GroupVersionKind, next).tree, map[string]any(nil)
	defaulting.Default(now, t.rules.schema)
	book := next.GetManagedFields()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(now, next); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	next.SetManagedFields(book) // of which the tree has none
	if old != nil {
		before = plant(t.GroupVersionKind, old).tree
	}
	return t.judge(now, before)
}

// validStatus looks at the fields of a status that have changed: nothing in the
// definition is about several of them, and the others were looked at before.
func (t target) validStatus(next, old client.Object) error {
	now, before := part(next, "Status"), part(old, "Status")
	changed := reflect.New(now.Type())
	for i := range now.NumField() {
		if !equality.Semantic.DeepEqual(now.Field(i).Interface(), before.Field(i).Interface()) {
			changed.Elem().Field(i).Set(now.Field(i))
		}
	}
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(changed.Interface())
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if bare(tree) {
		return nil
	}
	return refused(t, validation.ValidateCustomResource(field.NewPath("status"), tree, t.rules.status))
}

func (t target) judge(now, before map[string]any) error {
	errs := validation.ValidateCustomResource(nil, now, t.rules.fields)
	var old any
	if before != nil {
		errs, old = validation.ValidateCustomResourceUpdate(nil, now, before, t.rules.fields), before
	}
	if len(errs) == 0 {
		errs, _ = t.rules.rules.Validate(context.Background(), nil, t.rules.schema, now, old, math.MaxInt64)
	}
	return refused(t, errs)
}

func refused(t target, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(t.GroupVersionKind.GroupKind(), t.name, errs)
}
