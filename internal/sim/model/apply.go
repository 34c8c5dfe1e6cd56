package model

import (
	"encoding/json"
	"fmt"
	"sync"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/internal/kube"
)

// manage makes the field managers for what is written by server-side apply:
// Nodes by the published schemas, Pools by the schema of their CRD.
func (s *Server) manage(crd []byte) error {
	c, err := converters(crd)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		resource string
		types    managedfields.TypeConverter
		build    func(managedfields.TypeConverter, schema.GroupVersionKind, string) (*fold, error)
	}{
		{"nodes", c.nodes, s.builtin},
		{"pools", c.pools, s.custom},
	} {
		sh := s.shelves[m.resource]
		if m.resource == "pools" {
			sh.rules = c.rules
		}
		if sh.owners, err = m.build(m.types, sh.GroupVersionKind, ""); err != nil {
			return fmt.Errorf("manage fields of %s: %w", m.resource, err)
		}
		if sh.statusOwners, err = m.build(m.types, sh.GroupVersionKind, "status"); err != nil {
			return fmt.Errorf("manage fields of %s: %w", m.resource, err)
		}
	}
	return nil
}

// typeConverters know the schemas. They are read once for all Servers: to read them
// takes longer than many a simulation.
type typeConverters struct {
	nodes, pools managedfields.TypeConverter
	rules        *rulebook
}

var readSchemas sync.Map // typeConverters by the text of the CRD

func converters(crd []byte) (typeConverters, error) {
	if c, ok := readSchemas.Load(string(crd)); ok {
		return c.(typeConverters), nil
	}
	definition, err := readDefinition(crd)
	if err != nil {
		return typeConverters{}, err
	}
	rules, err := readRules(definition)
	if err != nil {
		return typeConverters{}, err
	}
	pools, err := poolConverter(definition)
	if err != nil {
		return typeConverters{}, err
	}
	scheme, err := kube.NewScheme()
	if err != nil {
		return typeConverters{}, err
	}
	c := typeConverters{gardener{applyconfigurations.NewTypeConverter(scheme), &sync.Map{}}, gardener{pools, &sync.Map{}}, rules}
	readSchemas.Store(string(crd), c)
	return c, nil
}

// resets are the fields that a write by this path cannot change, so that nobody
// comes to own them by it.
func resets(paths ...string) fieldpath.Filter {
	set := fieldpath.NewSet()
	for _, p := range paths {
		set.Insert(fieldpath.MakePathOrDie(p))
	}
	return fieldpath.NewExcludeSetFilter(set)
}

func (s *Server) builtin(t managedfields.TypeConverter, k schema.GroupVersionKind, sub string) (*fold, error) {
	c, fixed := converter{s.scheme}, resets("status")
	if sub == "status" {
		fixed = resets("spec")
	}
	m, err := managedfields.NewDefaultFieldManager(t, c, c, c, k, k.GroupVersion(), sub, only(k, fixed))
	return &fold{m, t, fixed}, err
}

func (s *Server) custom(t managedfields.TypeConverter, k schema.GroupVersionKind, sub string) (*fold, error) {
	c, fixed := converter{s.scheme}, resets("status")
	if sub == "status" {
		fixed = resets("metadata", "spec")
	}
	m, err := managedfields.NewDefaultCRDFieldManager(t, c, c, c, k, k.GroupVersion(), sub, only(k, fixed))
	return &fold{m, t, fixed}, err
}

func only(k schema.GroupVersionKind, f fieldpath.Filter) map[fieldpath.APIVersion]fieldpath.Filter {
	return map[fieldpath.APIVersion]fieldpath.Filter{fieldpath.APIVersion(k.GroupVersion().String()): f}
}

func readDefinition(manifest []byte) (*apiextensionsv1.CustomResourceDefinition, error) {
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(manifest, &crd); err != nil {
		return nil, fmt.Errorf("read custom resource definition: %w", err)
	}
	if len(crd.Spec.Versions) == 0 || crd.Spec.Versions[0].Schema == nil {
		return nil, fmt.Errorf("read custom resource definition %s: it has no schema", crd.Name)
	}
	return &crd, nil
}

// poolConverter reads the schema out of the CRD's manifest, as the API server
// does: lists that are maps, and lists that are one value, come from there.
func poolConverter(crd *apiextensionsv1.CustomResourceDefinition) (managedfields.TypeConverter, error) {
	text, err := json.Marshal(crd.Spec.Versions[0].Schema.OpenAPIV3Schema)
	if err != nil {
		return nil, fmt.Errorf("write schema of %s: %w", crd.Name, err)
	}
	var schema spec.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, fmt.Errorf("read schema of %s: %w", crd.Name, err)
	}
	schema.AddExtension("x-kubernetes-group-version-kind", []any{map[string]any{
		"group": crd.Spec.Group, "version": crd.Spec.Versions[0].Name, "kind": crd.Spec.Names.Kind}})
	schema.Properties["metadata"] = metadataSchema()
	return managedfields.NewTypeConverter(map[string]*spec.Schema{"pool": &schema}, true)
}

// metadataSchema is what the server puts into every published schema, as far as
// merging goes by it.
func metadataSchema() spec.Schema {
	texts := spec.MapProperty(spec.StringProperty())
	finalizers := spec.ArrayProperty(spec.StringProperty())
	finalizers.AddExtension("x-kubernetes-list-type", "set")
	owner := spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}, Properties: map[string]spec.Schema{}}}
	for _, p := range []string{"apiVersion", "kind", "name", "uid"} {
		owner.Properties[p] = *spec.StringProperty()
	}
	for _, p := range []string{"controller", "blockOwnerDeletion"} {
		owner.Properties[p] = *spec.BooleanProperty()
	}
	owners := spec.ArrayProperty(&owner)
	owners.AddExtension("x-kubernetes-list-type", "map")
	owners.AddExtension("x-kubernetes-list-map-keys", []any{"uid"})
	m := spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"object"}, Properties: map[string]spec.Schema{"labels": *texts, "annotations": *texts, "finalizers": *finalizers, "ownerReferences": *owners}}}
	for _, p := range []string{"name", "namespace", "generateName", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "selfLink"} {
		m.Properties[p] = *spec.StringProperty()
	}
	for _, p := range []string{"generation", "deletionGracePeriodSeconds"} {
		m.Properties[p] = *spec.Int64Property()
	}
	return m
}
