package model

import (
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Kind is a resource that the server keeps.
type Kind struct {
	schema.GroupVersionKind
	Resource   string // "nodes"
	Namespaced bool
	// Status is whether status is a subresource that plain writes leave alone.
	Status bool
}

// Kinds are all that the daemon reads or writes.
var Kinds = []Kind{
	{gvk("", "v1", "Node"), "nodes", false, true},
	{gvk("", "v1", "Pod"), "pods", true, true},
	{gvk("", "v1", "Namespace"), "namespaces", false, true},
	{gvk("", "v1", "ConfigMap"), "configmaps", true, false},
	{gvk("", "v1", "PersistentVolume"), "persistentvolumes", false, true},
	{gvk("", "v1", "PersistentVolumeClaim"), "persistentvolumeclaims", true, true},
	{gvk("apps", "v1", "DaemonSet"), "daemonsets", true, true},
	{gvk("policy", "v1", "PodDisruptionBudget"), "poddisruptionbudgets", true, true},
	{gvk("storage.k8s.io", "v1", "StorageClass"), "storageclasses", false, false},
	{gvk("storage.k8s.io", "v1", "CSINode"), "csinodes", false, false},
	{gvk("storage.k8s.io", "v1", "VolumeAttachment"), "volumeattachments", false, true},
	{gvk("", "v1", "Service"), "services", true, true},
	{gvk("coordination.k8s.io", "v1", "Lease"), "leases", true, false},
	{gvk("tidemill.dev", "v1alpha1", "Pool"), "pools", false, true},
}

func gvk(g, v, k string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: g, Version: v, Kind: k}
}

// Mapper is discovery without the asking.
func Mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for _, k := range Kinds {
		scope := meta.RESTScopeRoot
		if k.Namespaced {
			scope = meta.RESTScopeNamespace
		}
		m.AddSpecific(k.GroupVersionKind, k.GroupVersion().WithResource(k.Resource), k.GroupVersion().WithResource(strings.ToLower(k.Kind)), scope)
	}
	return m
}

// shelf holds the objects of one kind.
type shelf struct {
	Kind
	objects map[string]*object // by namespace/name
	names   []string           // sorted keys of objects
	binary  bool               // it can be written in protobuf
	// owners is the field manager of the main resource, of status the other one;
	// nil where nobody applies.
	owners, statusOwners *managedfields.FieldManager
}

// object is one version of one thing; it is never changed once committed.
type object struct {
	client.Object
	text []byte // its JSON, once somebody has asked
	wire []byte // its protobuf, once somebody has asked
	rv   uint64
}

// New makes an empty value of the kind.
func (s *Server) newObject(k Kind) (client.Object, error) {
	o, err := s.scheme.New(k.GroupVersionKind)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", k.Kind, err)
	}
	c, ok := o.(client.Object)
	if !ok {
		return nil, fmt.Errorf("make %s: %T is no object", k.Kind, o)
	}
	c.GetObjectKind().SetGroupVersionKind(k.GroupVersionKind)
	return c, nil
}

// part is a field of a typed object, by name: Spec or Status.
func part(o client.Object, name string) reflect.Value {
	return reflect.ValueOf(o).Elem().FieldByName(name)
}

// keepStatus gives next the status of old, or the rest of old and the status of
// next: which half a write may touch depends on the path it came by.
func keepStatus(next, old client.Object, subresource bool) client.Object {
	if !part(next, "Status").IsValid() {
		return next
	}
	if !subresource {
		part(next, "Status").Set(part(old, "Status"))
		return next
	}
	copied := reflect.New(reflect.TypeOf(old).Elem()) // what is below is shared: no version is changed once committed
	copied.Elem().Set(reflect.ValueOf(old).Elem())
	out := copied.Interface().(client.Object)
	part(out, "Status").Set(part(next, "Status"))
	out.SetManagedFields(next.GetManagedFields())
	return out
}

// converter lets the field managers work on the one version that there is.
type converter struct{ *runtime.Scheme }

func (c converter) Convert(in, out, _ any) error {
	reflect.ValueOf(out).Elem().Set(reflect.ValueOf(in).Elem())
	return nil
}

func (c converter) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (c converter) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

func (c converter) Default(runtime.Object) {}

// New implements runtime.ObjectCreater: an empty object that says what it is.
func (c converter) New(kind schema.GroupVersionKind) (runtime.Object, error) { return seed(kind), nil }
