package v1alpha1

import (
	"os"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// shape is the part of a CRD's schema that is looked at.
type shape struct {
	Properties  map[string]shape
	Items       *shape
	MaxLength   int
	Validations []struct{ Rule, Message string } `json:"x-kubernetes-validations"`
}

// TestDurationsAreChecked: the API server by itself takes any text for a duration,
// and a Pool with "1d" would then be one that no list of Pools can be read with.
func TestDurationsAreChecked(t *testing.T) {
	text, err := os.ReadFile("../../manifests/base/crd/tidemill.dev_pools.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema shape }
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	if n := durations(t, "spec", reflect.TypeFor[PoolSpec](), spec); n < 15 {
		t.Errorf("%d durations: the test proves little", n)
	}
}

// durations walks a type and its schema side by side and counts what it has checked.
func durations(t *testing.T, path string, of reflect.Type, s shape) int {
	switch {
	case of.Kind() == reflect.Pointer:
		return durations(t, path, of.Elem(), s)
	case of.Kind() == reflect.Slice && s.Items != nil:
		return durations(t, path+"[]", of.Elem(), *s.Items)
	case of == reflect.TypeFor[metav1.Duration]():
		if s.MaxLength == 0 || len(s.Validations) == 0 || !strings.Contains(s.Validations[0].Message, "duration") {
			t.Errorf("%s is a duration, and its schema does not say so: see the markers of the others", path)
		}
		return 1
	case of.Kind() != reflect.Struct:
		return 0
	}
	n := 0
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		n += durations(t, path+"."+name, of.Field(i).Type, s.Properties[name])
	}
	return n
}
