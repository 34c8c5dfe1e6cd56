package model

import (
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Kind is a resource that the server keeps.
type Kind struct {
	schema.GroupVersionKind
	Resource   string // "nodes"
	Namespaced bool
	// Status is whether status is a subresource that plain writes leave alone.
	Status bool
	// Counts is whether the server counts the versions of the spec: generation.
	Counts bool
	// Strict is whether an update must say which version it replaces, Upsert whether
	// it may make what is not there.
	Strict, Upsert bool
}

// Kinds are all that the daemon reads or writes.
var Kinds = []Kind{
	{GroupVersionKind: gvk("", "v1", "Node"), Resource: "nodes", Status: true},
	{GroupVersionKind: gvk("", "v1", "Pod"), Resource: "pods", Namespaced: true, Status: true, Counts: true},
	{GroupVersionKind: gvk("", "v1", "Namespace"), Resource: "namespaces", Status: true},
	{GroupVersionKind: gvk("", "v1", "ConfigMap"), Resource: "configmaps", Namespaced: true},
	{GroupVersionKind: gvk("", "v1", "PersistentVolume"), Resource: "persistentvolumes", Status: true},
	{GroupVersionKind: gvk("", "v1", "PersistentVolumeClaim"), Resource: "persistentvolumeclaims", Namespaced: true, Status: true},
	{GroupVersionKind: gvk("apps", "v1", "DaemonSet"), Resource: "daemonsets", Namespaced: true, Status: true, Counts: true},
	{GroupVersionKind: gvk("policy", "v1", "PodDisruptionBudget"), Resource: "poddisruptionbudgets", Namespaced: true, Status: true, Counts: true, Strict: true},
	{GroupVersionKind: gvk("storage.k8s.io", "v1", "StorageClass"), Resource: "storageclasses"},
	{GroupVersionKind: gvk("storage.k8s.io", "v1", "CSINode"), Resource: "csinodes"},
	{GroupVersionKind: gvk("storage.k8s.io", "v1", "VolumeAttachment"), Resource: "volumeattachments", Status: true, Strict: true},
	{GroupVersionKind: gvk("", "v1", "Service"), Resource: "services", Namespaced: true, Status: true},
	{GroupVersionKind: gvk("coordination.k8s.io", "v1", "Lease"), Resource: "leases", Namespaced: true, Strict: true, Upsert: true},
	{GroupVersionKind: gvk("tidemill.dev", "v1alpha1", "Pool"), Resource: "pools", Status: true, Counts: true, Strict: true},
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
	owners, statusOwners *fold
	rules                *rulebook // of a custom resource
}

// object is one version of one thing; it is never changed once committed.
type object struct {
	client.Object
	text []byte // its JSON, once somebody has asked
	wire []byte // its protobuf, once somebody has asked
	meta []byte // the JSON of its metadata alone, once somebody has asked
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

// keep gives next what a write by its path cannot change: the main one leaves the
// status alone, that of the status the spec and, of a custom resource, all the rest.
func (t target) keep(next, old client.Object) client.Object {
	switch {
	case !t.Kind.Status || !part(next, "Status").IsValid():
	case t.sub != "status":
		part(next, "Status").Set(part(old, "Status"))
	case t.binary:
		part(next, "Spec").Set(part(old, "Spec"))
	default:
		copied := reflect.New(reflect.TypeOf(old).Elem()) // what is below is shared: no version is changed once committed
		copied.Elem().Set(reflect.ValueOf(old).Elem())
		out := copied.Interface().(client.Object)
		part(out, "Status").Set(part(next, "Status"))
		out.SetManagedFields(next.GetManagedFields())
		return out
	}
	return next
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
func (c converter) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	return c.seed(kind), nil
}
