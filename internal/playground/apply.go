package playground

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"
)

//go:embed system.yaml
var systemManifests []byte

// installSystem creates what OKE runs in kube-system of every cluster. Its
// DaemonSets are overhead that a new node has before the first pod of the user.
func (c *Cluster) installSystem(ctx context.Context) error {
	if err := c.Apply(ctx, systemManifests); err != nil {
		return fmt.Errorf("install system workloads: %w", err)
	}
	return nil
}

// Apply applies a stream of YAML documents, server-side, as the administrator:
// `kubectl apply` for machines without kubectl. When it returns, the kinds that it
// has defined are served and the rights that it has given are in force.
func (c *Cluster) Apply(ctx context.Context, manifests []byte) error {
	objects, err := Documents(manifests)
	if err != nil {
		return fmt.Errorf("parse manifests: %w", err)
	}
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.client.Discovery()))
	for _, object := range objects {
		kind := object.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", kind.Kind, object.GetName(), err)
		}
		resource := client.Resource(mapping.Resource)
		options := metav1.ApplyOptions{FieldManager: "playground", Force: true}
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			_, err = resource.Namespace(object.GetNamespace()).Apply(ctx, object.GetName(), object, options)
		} else {
			_, err = resource.Apply(ctx, object.GetName(), object, options)
		}
		if err == nil && kind.Kind == "CustomResourceDefinition" {
			err = c.served(ctx, client, object)
			mapper.Reset() // or the kind stays unknown to what follows
		}
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", kind.Kind, object.GetName(), err)
		}
	}
	return c.granted(ctx, objects)
}

// served returns once the API server answers for a definition's stored version,
// and tells of it when it is asked what there is: until then its objects are Not
// Found, and whoever asks next would be told that nothing is installed.
func (c *Cluster) served(ctx context.Context, client dynamic.Interface, definition *unstructured.Unstructured) error {
	var crd apiextensionsv1.CustomResourceDefinition
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(definition.Object, &crd); err != nil {
		return err
	}
	for _, version := range crd.Spec.Versions {
		if !version.Storage {
			continue
		}
		resource := client.Resource(schema.GroupVersionResource{Group: crd.Spec.Group, Version: version.Name, Resource: crd.Spec.Names.Plural})
		return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, learns, true, func(ctx context.Context) (bool, error) {
			_, err := resource.List(ctx, metav1.ListOptions{Limit: 1})
			if err != nil {
				return false, ignoreNotFound(err)
			}
			return c.told(crd.Spec.Group, version.Name, crd.Spec.Names.Plural)
		})
	}
	return nil
}

// told is whether discovery tells of a resource, both in the one document of all
// groups and in that of its own group: each is written by another controller.
func (c *Cluster) told(group, version, resource string) (bool, error) {
	gv := schema.GroupVersion{Group: group, Version: version}.String()
	in := func(list *metav1.APIResourceList) bool {
		return list.GroupVersion == gv && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == resource })
	}
	own, err := c.client.Discovery().ServerResourcesForGroupVersion(gv)
	if err != nil {
		return false, ignoreNotFound(err)
	}
	_, all, err := c.client.Discovery().ServerGroupsAndResources()
	// A group that fails is told of beside those that are there.
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return false, err
	}
	return in(own) && slices.ContainsFunc(all, in), nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Documents are the objects of a stream of YAML documents; one without an object is
// passed over.
func Documents(manifests []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		var object unstructured.Unstructured
		if err := yaml.Unmarshal(text, &object.Object); err != nil {
			return nil, err
		}
		if len(object.Object) > 0 { // a document of comments has no object
			objects = append(objects, &object)
		}
	}
}
