package manifests_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/manifests"
)

// TestCRDOnlyGrows: a Pool that an older version took is taken by this one, and
// means the same; docs/releasing.md says why. testdata/crd has the CRD of each
// version, and of a day before the first one.
func TestCRDOnlyGrows(t *testing.T) {
	files, err := filepath.Glob("testdata/crd/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing to compare with: %v", err)
	}
	now := schemaOf(t, manifests.CRD())
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, breach := range narrowed("", schemaOf(t, text), now) {
			t.Errorf("%s: %s", file, breach)
		}
	}
}

func schemaOf(t *testing.T, text []byte) apiextensionsv1.JSONSchemaProps {
	t.Helper()
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Name == "v1alpha1" && v.Served })
	if i < 0 {
		t.Fatal("v1alpha1 is not served")
	}
	return *crd.Spec.Versions[i].Schema.OpenAPIV3Schema
}

// narrowed says what the old schema takes and the new one does not, or takes
// otherwise. CEL rules are left out: Kubernetes lets objects stay that broke a
// rule before it came.
func narrowed(path string, old, now apiextensionsv1.JSONSchemaProps) (out []string) {
	say := func(format string, args ...any) { out = append(out, path+": "+fmt.Sprintf(format, args...)) }
	if old.Type != now.Type || old.XIntOrString != now.XIntOrString || old.Format != now.Format {
		say("%s %s became %s %s", old.Type, old.Format, now.Type, now.Format)
	}
	if a, b := string(raw(old.Default)), string(raw(now.Default)); a != b {
		say("the default %q became %q", a, b)
	}
	for _, r := range now.Required {
		if !slices.Contains(old.Required, r) {
			say("%s became required", r)
		}
	}
	for _, e := range old.Enum {
		if !slices.ContainsFunc(now.Enum, func(n apiextensionsv1.JSON) bool { return string(n.Raw) == string(e.Raw) }) && len(now.Enum) > 0 {
			say("%s is refused", e.Raw)
		}
	}
	if len(old.Enum) == 0 && len(now.Enum) > 0 || now.Pattern != "" && old.Pattern != now.Pattern {
		say("a choice or a pattern came")
	}
	out = append(out, tighter(path, old, now)...)
	for _, name := range slices.Sorted(maps.Keys(old.Properties)) {
		if n, ok := now.Properties[name]; ok {
			out = append(out, narrowed(path+"."+name, old.Properties[name], n)...)
		} else {
			say("%s is gone", name)
		}
	}
	if old.Items != nil && old.Items.Schema != nil && now.Items != nil && now.Items.Schema != nil {
		out = append(out, narrowed(path+"[]", *old.Items.Schema, *now.Items.Schema)...)
	}
	return out
}

func raw(j *apiextensionsv1.JSON) []byte {
	if j == nil {
		return nil
	}
	return j.Raw
}

// tighter compares bounds; one that is absent bounds nothing.
func tighter(path string, old, now apiextensionsv1.JSONSchemaProps) (out []string) {
	check := func(what string, tighter bool) {
		if tighter {
			out = append(out, path+": "+what+" is tighter")
		}
	}
	check("maximum", less(now.Maximum, old.Maximum))
	check("maxLength", less(now.MaxLength, old.MaxLength))
	check("maxItems", less(now.MaxItems, old.MaxItems))
	check("maxProperties", less(now.MaxProperties, old.MaxProperties))
	check("minimum", more(now.Minimum, old.Minimum))
	check("minLength", more(now.MinLength, old.MinLength))
	check("minItems", more(now.MinItems, old.MinItems))
	return out
}

func less[T int64 | float64](now, old *T) bool { return now != nil && (old == nil || *now < *old) }
func more[T int64 | float64](now, old *T) bool { return now != nil && (old == nil || *now > *old) }

// The comparison notices each way in which a schema can break a promise, and
// nothing in one that only grew.
func TestNarrowedNotices(t *testing.T) {
	text := string(manifests.CRD())
	for _, tt := range []struct{ from, to, say string }{
		{"minSize:", "leastSize:", ".spec.scale: minSize is gone"},
		{"- OnDemand\n", "- Sometimes\n", `.spec.cycle.mode: "OnDemand" is refused`},
		{"required:\n        - spec\n        type: object\n    served", "required:\n        - spec\n        - status\n        type: object\n    served", "status became required"},
	} {
		changed := strings.Replace(text, tt.from, tt.to, 1)
		if changed == text {
			t.Errorf("the CRD has no %q to change", tt.from)
			continue
		}
		if got := narrowed("", schemaOf(t, []byte(text)), schemaOf(t, []byte(changed))); !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, tt.say) }) {
			t.Errorf("%q for %q: %q, want %q", tt.to, tt.from, got, tt.say)
		}
	}
	for _, change := range []func(*apiextensionsv1.JSONSchemaProps){
		func(s *apiextensionsv1.JSONSchemaProps) { s.Type = "integer" },
		func(s *apiextensionsv1.JSONSchemaProps) { s.Maximum = new(9.0) },
		func(s *apiextensionsv1.JSONSchemaProps) { s.MaxLength = new(int64(9)) },
		func(s *apiextensionsv1.JSONSchemaProps) { s.MinItems = new(int64(1)) },
		func(s *apiextensionsv1.JSONSchemaProps) { s.Pattern = "^a" },
		func(s *apiextensionsv1.JSONSchemaProps) { s.Default = &apiextensionsv1.JSON{Raw: []byte("1")} },
	} {
		old := apiextensionsv1.JSONSchemaProps{Type: "string", Maximum: new(10.0)}
		now := *old.DeepCopy()
		change(&now)
		if len(narrowed("x", old, now)) == 0 {
			t.Errorf("%+v may become %+v", old, now)
		}
		if wider := narrowed("x", now, now); len(wider) != 0 {
			t.Errorf("the same is not the same: %q", wider)
		}
	}
	if got := narrowed("x", apiextensionsv1.JSONSchemaProps{Maximum: new(1.0)}, apiextensionsv1.JSONSchemaProps{
		Maximum: new(2.0), Properties: map[string]apiextensionsv1.JSONSchemaProps{"more": {}},
	}); len(got) != 0 {
		t.Errorf("growing is no breach: %q", got)
	}
}
