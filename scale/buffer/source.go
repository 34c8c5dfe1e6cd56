package buffer

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// group of the kinds that are read.
const group = "autoscaling.x-k8s.io"

// kinds and the versions in which they are known, the newest first.
var kinds = map[string][]string{
	"ProvisioningRequest": {"v1", "v1beta1"},
	"CapacityBuffer":      {"v1beta1", "v1alpha1"},
}

// absentFor is how long a kind that is not installed is not asked for again.
const absentFor = 30 * time.Second

// Source reads the objects of wishes. It is not safe for concurrent use.
type Source struct {
	// Live reads from the API server: there are few of these objects, and a cache
	// of a kind that is not installed would wait for ever.
	Live client.Reader
	// Cached reads controllers; nil when nothing is to be done before pods exist.
	Cached client.Reader

	absent map[string]time.Time // kind to when it was found missing
}

// Read reads everything. Kinds that are not installed are no error; they are
// looked for again later. What could not be read is in the joined error, the
// rest in Objects.
func (s *Source) Read(ctx context.Context) (Objects, error) {
	var o Objects
	var errs []error
	list := func(kind string, into *[]unstructured.Unstructured) {
		items, err := s.list(ctx, kind)
		*into = items
		if err != nil {
			errs = append(errs, err)
		}
	}
	list("ProvisioningRequest", &o.Requests)
	list("CapacityBuffer", &o.Buffers)
	o.Template = s.template(ctx)
	o.Workload = s.workload(ctx)
	if s.Cached != nil {
		controllers, err := s.controllers(ctx)
		o.Controllers = controllers
		if err != nil {
			errs = append(errs, err)
		}
	}
	return o, errors.Join(errs...)
}

func (s *Source) list(ctx context.Context, kind string) ([]unstructured.Unstructured, error) {
	if time.Since(s.absent[kind]) < absentFor {
		return nil, nil
	}
	for _, version := range kinds[kind] {
		l := &unstructured.UnstructuredList{}
		l.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: version, Kind: kind + "List"})
		err := s.Live.List(ctx, l)
		switch {
		case err == nil:
			return l.Items, nil
		case !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err):
			return nil, fmt.Errorf("list %ss: %w", kind, err)
		}
	}
	if s.absent == nil {
		s.absent = map[string]time.Time{}
	}
	s.absent[kind] = time.Now()
	return nil, nil
}

func (s *Source) template(ctx context.Context) func(namespace, name string) (*corev1.PodTemplateSpec, error) {
	return func(namespace, name string) (*corev1.PodTemplateSpec, error) {
		var t corev1.PodTemplate
		if err := s.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &t); err != nil {
			return nil, fmt.Errorf("read PodTemplate %s: %w", name, err)
		}
		return &t.Template, nil
	}
}

func (s *Source) workload(ctx context.Context) func(kind, namespace, name string) (*corev1.PodTemplateSpec, int, error) {
	return func(kind, namespace, name string) (*corev1.PodTemplateSpec, int, error) {
		key := client.ObjectKey{Namespace: namespace, Name: name}
		fail := func(err error) (*corev1.PodTemplateSpec, int, error) {
			return nil, 0, fmt.Errorf("read %s %s: %w", kind, name, err)
		}
		switch kind {
		case "Deployment":
			var d appsv1.Deployment
			if err := s.Live.Get(ctx, key, &d); err != nil {
				return fail(err)
			}
			return &d.Spec.Template, alive(&d, d.Spec.Replicas), nil
		case "StatefulSet":
			var d appsv1.StatefulSet
			if err := s.Live.Get(ctx, key, &d); err != nil {
				return fail(err)
			}
			return &d.Spec.Template, alive(&d, d.Spec.Replicas), nil
		case "ReplicaSet":
			var d appsv1.ReplicaSet
			if err := s.Live.Get(ctx, key, &d); err != nil {
				return fail(err)
			}
			return &d.Spec.Template, alive(&d, d.Spec.Replicas), nil
		case "Job":
			var j batchv1.Job
			if err := s.Live.Get(ctx, key, &j); err != nil {
				return fail(err)
			}
			return &j.Spec.Template, OfJob(&j).Want, nil
		}
		return nil, 0, fmt.Errorf("read spec.scalableRef: kind %q is none of Deployment, ReplicaSet, StatefulSet and Job", kind)
	}
}

func (s *Source) controllers(ctx context.Context) ([]Controller, error) {
	var (
		sets appsv1.ReplicaSetList
		full appsv1.StatefulSetList
		jobs batchv1.JobList
	)
	for _, l := range []client.ObjectList{&sets, &full, &jobs} {
		if err := s.Cached.List(ctx, l, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("list %T: %w", l, err)
		}
	}
	var out []Controller
	for i := range sets.Items {
		out = append(out, OfReplicaSet(&sets.Items[i]))
	}
	for i := range full.Items {
		out = append(out, OfStatefulSet(&full.Items[i]))
	}
	for i := range jobs.Items {
		out = append(out, OfJob(&jobs.Items[i]))
	}
	return out, nil
}
