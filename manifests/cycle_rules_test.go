package manifests_test

import (
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// The API server takes the CRD: its rules compile and cost no more than they may.
func TestCRDIsTaken(t *testing.T) {
	crd := all[*apiextensionsv1.CustomResourceDefinition](t)[0].DeepCopy()
	apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	var internal apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, &internal, nil); err != nil {
		t.Fatal(err)
	}
	internal.Status.StoredVersions = []string{crd.Spec.Versions[0].Name}
	if errs := validation.ValidateCustomResourceDefinition(t.Context(), &internal); len(errs) > 0 {
		t.Error(errs.ToAggregate())
	}
}

func TestCycleRules(t *testing.T) {
	v := specRules(t)
	for _, tt := range []struct{ cycle, want string }{
		{`gates: [{name: a, approval: {}}, {name: b, http: {url: "http://x"}}]`, ""},
		{`gates: [{name: a}]`, "a gate is one of"},
		{`gates: [{name: a, approval: {}, http: {url: "http://x"}}]`, "a gate is one of"},
		{`maxSurge: 0, maxUnavailable: 0`, "must not both be 0"},
		{`maxSurge: 0`, "needs a maxUnavailable of 1"},
		{`maxSurge: 0, strategy: InPlace`, ""},
		{`maxSurge: 0, strategy: BootVolume`, ""},
		{`maxSurge: 101%`, "percentage from 0% to 100%"},
	} {
		var spec map[string]any
		if err := yaml.Unmarshal([]byte(`{nodePoolID: x, cycle: {mode: OnDemand, `+tt.cycle+`}}`), &spec); err != nil {
			t.Fatal(err)
		}
		integers(spec)
		errs, _ := v.validator.Validate(t.Context(), field.NewPath("spec"), v.structural, spec, nil, celconfig.RuntimeCELCostBudget)
		got := errs.ToAggregate()
		if tt.want == "" && got != nil || tt.want != "" && (got == nil || !strings.Contains(got.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.cycle, got, tt.want)
		}
	}
}
