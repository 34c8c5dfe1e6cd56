package manifests_test

import (
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// TestLimitRules runs the API server's own evaluation of the CRD's rules on
// limits: a quantity may be a number or a string, and a rule that knows only
// one of the two would refuse the other.
func TestLimitRules(t *testing.T) {
	v := specRules(t)
	for _, tt := range []struct{ limits, want string }{
		{`{memory: 100Gi, spendPerHour: "1.5", cores: 10}`, ""},
		{`{memory: 1000, spendPerHour: 2}`, ""},
		{`{memory: -1Gi}`, "memory must not be negative"},
		{`{spendPerHour: -1}`, "spendPerHour must not be negative"},
		{`{spendPerHour: "-0.5"}`, "spendPerHour must not be negative"},
	} {
		var spec map[string]any
		if err := yaml.Unmarshal([]byte(`{nodePoolID: x, scale: {minSize: 0, maxSize: 1, limits: `+tt.limits+`}}`), &spec); err != nil {
			t.Fatal(err)
		}
		integers(spec)
		errs, _ := v.validator.Validate(t.Context(), field.NewPath("spec"), v.structural, spec, nil, celconfig.RuntimeCELCostBudget)
		got := errs.ToAggregate()
		if tt.want == "" && got != nil || tt.want != "" && (got == nil || !strings.Contains(got.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.limits, got, tt.want)
		}
	}
}

// integers makes whole numbers what the API server's decoder makes of them.
func integers(m map[string]any) {
	for k, v := range m {
		switch v := v.(type) {
		case float64:
			m[k] = int64(v)
		case map[string]any:
			integers(v)
		}
	}
}

type rules struct {
	validator  *cel.Validator
	structural *schema.Structural
}

func specRules(t *testing.T) rules {
	t.Helper()
	crd := all[*apiextensionsv1.CustomResourceDefinition](t)[0]
	var internal apiextensions.JSONSchemaProps
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&spec, &internal, nil); err != nil {
		t.Fatal(err)
	}
	structural, err := schema.NewStructural(&internal)
	if err != nil {
		t.Fatal(err)
	}
	v := cel.NewValidator(structural, true, celconfig.PerCallLimit)
	if v == nil {
		t.Fatal("the CRD has no rules")
	}
	return rules{v, structural}
}
