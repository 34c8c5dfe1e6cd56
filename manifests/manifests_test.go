package manifests_test

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	psapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/manifests"
)

// objects reads every document of every manifest strictly: a field that its
// type does not know is an error.
func objects(t *testing.T) map[string][]runtime.Object {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("base/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]runtime.Object{}
	for _, file := range append(files, "base/crd/tidemill.dev_pools.yaml") {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[file] = parse(t, scheme, file, text)
	}
	if len(out) < 5 {
		t.Fatalf("%d manifests found", len(out))
	}
	return out
}

func parse(t *testing.T, scheme *runtime.Scheme, file string, text []byte) []runtime.Object {
	t.Helper()
	var out []runtime.Object
	for r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		doc, err := r.Read()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(doc, &meta); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if meta.Kind == "" { // comments before the first object
			continue
		}
		o, err := scheme.New(schema.FromAPIVersionAndKind(meta.APIVersion, meta.Kind))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if err := yaml.UnmarshalStrict(doc, o); err != nil {
			t.Errorf("%s: %s: %v", file, meta.Kind, err)
		}
		out = append(out, o)
	}
}

// all are the objects of one type, of all files.
func all[T runtime.Object](t *testing.T) []T {
	t.Helper()
	var out []T
	for _, list := range objects(t) {
		for _, o := range list {
			if x, ok := o.(T); ok {
				out = append(out, x)
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no %T in the manifests", out)
	}
	return out
}

func TestKustomizationListsEverything(t *testing.T) {
	text, err := os.ReadFile("base/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var k struct{ Resources []string }
	if err := yaml.Unmarshal(text, &k); err != nil {
		t.Fatal(err)
	}
	for file := range objects(t) {
		if !slices.Contains(k.Resources, strings.TrimPrefix(file, "base/")) {
			t.Errorf("%s is not in kustomization.yaml", file)
		}
	}
}

// The judge is the one in the API server, at its strictest.
func TestPodIsRestricted(t *testing.T) {
	judge, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := psapi.LevelVersion{Level: psapi.LevelRestricted, Version: psapi.LatestVersion()}
	for _, d := range all[*appsv1.Deployment](t) {
		pod := d.Spec.Template
		r := policy.AggregateCheckResults(judge.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
		if !r.Allowed {
			t.Errorf("deployment %s is not restricted: %s", d.Name, r.ForbiddenDetail())
		}
		for _, c := range pod.Spec.Containers {
			c.SecurityContext.AllowPrivilegeEscalation = nil
		}
		if policy.AggregateCheckResults(judge.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec)).Allowed {
			t.Errorf("the judge lets a lax pod pass: this test proves nothing")
		}
	}
}

func TestContainers(t *testing.T) {
	for _, d := range all[*appsv1.Deployment](t) {
		if !reflect.DeepEqual(d.Spec.Selector.MatchLabels, d.Spec.Template.Labels) {
			t.Errorf("selector %v does not match %v", d.Spec.Selector.MatchLabels, d.Spec.Template.Labels)
		}
		for _, c := range d.Spec.Template.Spec.Containers {
			if read := c.SecurityContext.ReadOnlyRootFilesystem; read == nil || !*read {
				t.Errorf("container %s can write to its image", c.Name)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("container %s has no requests or no memory limit", c.Name)
			}
			// The collector has to know of the limit before the kernel enforces it.
			soft := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
			if soft < 0 {
				t.Errorf("container %s has no GOMEMLIMIT", c.Name)
				continue
			}
			bytes, err := resource.ParseQuantity(strings.TrimSuffix(c.Env[soft].Value, "B"))
			if hard := c.Resources.Limits.Memory().Value(); err != nil || bytes.Value() >= hard || bytes.Value() < hard/2 {
				t.Errorf("container %s: GOMEMLIMIT %s, %v, of a limit of %s: want half of it or more, and less than all", c.Name, c.Env[soft].Value, err, c.Resources.Limits.Memory())
			}
			for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe} {
				if p == nil || !slices.ContainsFunc(c.Ports, func(port corev1.ContainerPort) bool { return p.HTTPGet.Port == intstr.FromString(port.Name) }) {
					t.Errorf("container %s: a probe is missing or names no port", c.Name)
				}
			}
		}
	}
}

func TestReplicasAndBudget(t *testing.T) {
	d, b := all[*appsv1.Deployment](t)[0], all[*policyv1.PodDisruptionBudget](t)[0]
	if d.Spec.Replicas == nil || *d.Spec.Replicas < 2 {
		t.Errorf("replicas = %v", d.Spec.Replicas)
	}
	if !reflect.DeepEqual(b.Spec.Selector.MatchLabels, d.Spec.Template.Labels) || b.Namespace != d.Namespace {
		t.Errorf("the budget selects %v in %s", b.Spec.Selector.MatchLabels, b.Namespace)
	}
}

// Rights that let whoever has them take more, or read what is secret, or get
// past a PodDisruptionBudget.
func TestNoDangerousRight(t *testing.T) {
	bound := map[string]bool{}
	for _, b := range all[*rbacv1.ClusterRoleBinding](t) {
		bound[b.RoleRef.Name] = true
	}
	var rules []rbacv1.PolicyRule
	for _, r := range all[*rbacv1.ClusterRole](t) {
		if bound[r.Name] { // the others are for people, who bind them themselves
			rules = append(rules, r.Rules...)
		}
	}
	if len(rules) == 0 {
		t.Fatal("no role is bound")
	}
	for _, r := range all[*rbacv1.Role](t) {
		rules = append(rules, r.Rules...)
	}
	for _, r := range rules {
		for _, v := range r.Verbs {
			if slices.Contains([]string{"*", "escalate", "bind", "impersonate", "delete", "deletecollection"}, v) {
				t.Errorf("verb %s on %v", v, r.Resources)
			}
		}
		for _, res := range r.Resources {
			if slices.Contains([]string{"*", "secrets", "pods/exec", "pods/attach", "nodes/proxy", "serviceaccounts/token"}, res) || strings.Contains(res, "*") {
				t.Errorf("resource %s with %v", res, r.Verbs)
			}
			if slices.Contains([]string{"nodes", "pods", "nodes/status"}, res) && (slices.Contains(r.Verbs, "create") || slices.Contains(r.Verbs, "update")) {
				t.Errorf("%v on %s", r.Verbs, res)
			}
		}
		if slices.Contains(r.APIGroups, "*") {
			t.Errorf("every API group: %v", r)
		}
	}
}

func TestBindingsMatch(t *testing.T) {
	accounts, roles := map[string]bool{}, map[string]bool{}
	for _, a := range all[*corev1.ServiceAccount](t) {
		accounts[a.Namespace+"/"+a.Name] = true
	}
	for _, r := range all[*rbacv1.ClusterRole](t) {
		roles["ClusterRole "+r.Name] = true
	}
	for _, r := range all[*rbacv1.Role](t) {
		roles["Role "+r.Namespace+"/"+r.Name] = true
	}
	check := func(name, role string, subjects []rbacv1.Subject) {
		if !roles[role] {
			t.Errorf("binding %s: no %s", name, role)
		}
		for _, s := range subjects {
			if !accounts[s.Namespace+"/"+s.Name] {
				t.Errorf("binding %s: no account %s/%s", name, s.Namespace, s.Name)
			}
		}
	}
	for _, b := range all[*rbacv1.ClusterRoleBinding](t) {
		check(b.Name, "ClusterRole "+b.RoleRef.Name, b.Subjects)
	}
	for _, b := range all[*rbacv1.RoleBinding](t) {
		check(b.Name, "Role "+b.Namespace+"/"+b.RoleRef.Name, b.Subjects)
	}
	if d := all[*appsv1.Deployment](t)[0]; !accounts[d.Namespace+"/"+d.Spec.Template.Spec.ServiceAccountName] {
		t.Errorf("the deployment runs as %s, which is not here", d.Spec.Template.Spec.ServiceAccountName)
	}
}

// The embedded text is the file: what programs install is what users install.
func TestEmbedded(t *testing.T) {
	for file, got := range map[string][]byte{
		"base/crd/tidemill.dev_pools.yaml": manifests.CRD(), "base/namespace.yaml": manifests.Namespace(), "base/rbac.yaml": manifests.RBAC(), "base/admission.yaml": manifests.Admission(),
	} {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what is embedded", file)
		}
	}
}

// Every field of the Go type is in the CRD's schema and the other way round:
// a field that is missing there is pruned without a word.
func TestCRDAgreesWithTheType(t *testing.T) {
	crd := all[*apiextensionsv1.CustomResourceDefinition](t)[0]
	if crd.Spec.Group != v1alpha1.GroupVersion.Group || crd.Spec.Scope != apiextensionsv1.ClusterScoped || len(crd.Spec.Versions) != 1 || crd.Spec.Versions[0].Name != v1alpha1.GroupVersion.Version {
		t.Fatalf("CRD is for %s %s %v", crd.Spec.Group, crd.Spec.Scope, crd.Spec.Versions)
	}
	v := crd.Spec.Versions[0]
	if !v.Served || !v.Storage || v.Subresources == nil || v.Subresources.Status == nil {
		t.Errorf("version is not served, not stored or has no status subresource")
	}
	root := v.Schema.OpenAPIV3Schema.Properties
	agree(t, "spec", reflect.TypeFor[v1alpha1.PoolSpec](), root["spec"])
	agree(t, "status", reflect.TypeFor[v1alpha1.PoolStatus](), root["status"])
}

func agree(t *testing.T, path string, typ reflect.Type, s apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		if typ.Kind() == reflect.Slice {
			if s.Items == nil || s.Items.Schema == nil {
				t.Errorf("%s: a list in Go, not in the CRD", path)
				return
			}
			s = *s.Items.Schema
		}
		typ = typ.Elem()
	}
	// Types that are one value in JSON.
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[metav1.Time]() || typ == reflect.TypeFor[metav1.Duration]() || typ == reflect.TypeFor[intstr.IntOrString]() || typ == reflect.TypeFor[resource.Quantity]() {
		if len(s.Properties) > 0 {
			t.Errorf("%s: an object in the CRD, not in Go", path)
		}
		return
	}
	have := map[string]bool{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		have[name] = true
		p, ok := s.Properties[name]
		if !ok {
			t.Errorf("%s.%s is not in the CRD: run make generate", path, name)
			continue
		}
		agree(t, path+"."+name, f.Type, p)
	}
	for name := range s.Properties {
		if !have[name] {
			t.Errorf("%s.%s is not in the Go type: run make generate", path, name)
		}
	}
}
