package model

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// bounded refuses annotations that are more, all together, than an object may have: a
// Node that somebody has filled to the brim has no room for a mark.
func (t target) bounded(o client.Object) error {
	if validation.ValidateAnnotationsSize(o.GetAnnotations()) == nil {
		return nil
	}
	path := field.NewPath("metadata", "annotations")
	return apierrors.NewInvalid(t.GroupVersionKind.GroupKind(), o.GetName(), field.ErrorList{field.TooLong(path, "", validation.TotalAnnotationSizeLimitB)})
}
