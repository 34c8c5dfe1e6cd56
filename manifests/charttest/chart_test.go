package charttest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the rendered chart into ../chart/testdata")

// object is a Kubernetes object as JSON has it.
type object = map[string]any

// render is the chart with these changes to its values, in helm's order.
func render(t *testing.T, namespace string, changes object) (string, error) {
	t.Helper()
	c, err := loader.Load("../chart")
	if err != nil {
		t.Fatal(err)
	}
	options := chartutil.ReleaseOptions{Name: "tidemill", Namespace: namespace, Revision: 1, IsInstall: true}
	values, err := chartutil.ToRenderValues(c, changes, options, chartutil.DefaultCapabilities)
	if err != nil {
		return "", err
	}
	files, err := engine.Render(c, values)
	if err != nil {
		return "", err
	}
	var names []string
	for name := range files {
		if strings.HasSuffix(name, ".yaml") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var b strings.Builder
	for _, name := range names {
		if text := strings.TrimSpace(files[name]); text != "" {
			fmt.Fprintf(&b, "---\n%s\n", text)
		}
	}
	return b.String(), nil
}

var separator = regexp.MustCompile(`(?m)^---\s*$`)

// parse reads documents; the key is "Kind namespace/name".
func parse(t *testing.T, text string) map[string]object {
	t.Helper()
	out := map[string]object{}
	for _, doc := range separator.Split(text, -1) {
		var o object
		if err := yaml.UnmarshalStrict([]byte(doc), &o); err != nil {
			t.Fatalf("%v in:\n%s", err, doc)
		}
		if len(o) == 0 {
			continue
		}
		meta, _ := o["metadata"].(object)
		key := fmt.Sprintf("%v %v/%v", o["kind"], meta["namespace"], meta["name"])
		if _, twice := out[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		out[key] = o
	}
	return out
}

// base are the plain manifests.
func base(t *testing.T) map[string]object {
	t.Helper()
	files, err := filepath.Glob("../base/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range append(files, "../base/crd/tidemill.dev_pools.yaml") {
		if filepath.Base(f) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "---\n%s\n", text)
	}
	return parse(t, b.String())
}

var ids = object{"oci": object{
	"compartmentID": "ocid1.compartment.oc1..aaaa", "clusterID": "ocid1.cluster.oc1.iad.aaaa",
}}

// The chart's objects are the manifests', but for what a chart adds: its labels,
// and the OCIDs as values instead of a ConfigMap of the user's.
func TestSameObjects(t *testing.T) {
	text, err := render(t, "tidemill-system", ids)
	if err != nil {
		t.Fatal(err)
	}
	got, want := parse(t, text), base(t)
	delete(want, "Namespace <nil>/tidemill-system") // helm's --create-namespace
	for key := range want {
		if _, ok := got[key]; !ok {
			t.Errorf("the chart lacks %s", key)
		}
	}
	for key, o := range got {
		w, ok := want[key]
		if !ok {
			t.Errorf("the manifests lack %s", key)
			continue
		}
		neutral(o)
		neutral(w)
		if diff := cmp.Diff(w, o); diff != "" {
			t.Errorf("%s (-manifests +chart):\n%s", key, diff)
		}
	}
}

// neutral takes away what may differ.
func neutral(o object) {
	meta := o["metadata"].(object)
	delete(meta, "labels")
	if a, ok := meta["annotations"].(object); ok {
		delete(a, "helm.sh/resource-policy")
	}
	if o["kind"] != "Deployment" {
		return
	}
	pod := o["spec"].(object)["template"].(object)["spec"].(object)
	container := pod["containers"].([]any)[0].(object)
	delete(container, "envFrom")
	delete(container, "image")
	container["env"] = slices.DeleteFunc(container["env"].([]any), func(e any) bool {
		return strings.HasPrefix(e.(object)["name"].(string), "OCI_")
	})
}

// TestRendered keeps what comes out of typical values where other tests find it.
func TestRendered(t *testing.T) {
	for name, changes := range map[string]object{
		"api-key":            ids,
		"workload-identity":  {"oci": object{"auth": "oke_workload_identity"}, "extraArgs": []any{"--interval=20s"}},
		"instance-principal": {"oci": object{"auth": "instance_principal"}, "replicas": 1, "podDisruptionBudget": object{"enabled": false}, "logLevel": "debug"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := render(t, "tidemill-system", changes)
			if err != nil {
				t.Fatal(err)
			}
			parse(t, text)
			file := "../chart/testdata/" + name + ".yaml"
			if *update {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Errorf("differs from %s (go test -update when this is meant):\n%s", file, diff)
			}
		})
	}
}

// Another namespace is another namespace everywhere.
func TestNamespace(t *testing.T) {
	text, err := render(t, "nodes", ids)
	if err != nil {
		t.Fatal(err)
	}
	for key, o := range parse(t, text) {
		if ns := o["metadata"].(object)["namespace"]; ns != nil && ns != "nodes" && ns != "kube-node-lease" && ns != "kube-system" {
			t.Errorf("%s is in %v", key, ns)
		}
		if strings.HasSuffix(o["kind"].(string), "Binding") && o["subjects"] != nil {
			for _, s := range o["subjects"].([]any) {
				if s.(object)["namespace"] != "nodes" {
					t.Errorf("%s binds %v", key, s)
				}
			}
		}
	}
}

// Values that make no sense get one sentence each, and nothing is rendered.
func TestBadValues(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change object
		say    string
	}{
		{"misspelt", object{"replica": 2}, "replica"},
		{"no replica", object{"replicas": 0}, "replicas"},
		{"unknown auth", object{"oci": object{"auth": "password"}}, "auth"},
		{"a cluster's OCID as compartment", object{"oci": object{"compartmentID": "ocid1.cluster.oc1.iad.aaaa"}}, "compartmentID"},
		{"half of the OCIDs", object{"oci": object{"compartmentID": "ocid1.compartment.oc1..aaaa"}}, "oci.clusterID is not"},
		{"a key without a Secret", object{"oci": object{"secretName": ""}}, "secretName"},
		{"no digest", object{"image": object{"digest": "latest"}}, "digest"},
		{"an argument that is no flag", object{"extraArgs": []any{"interval=5s"}}, "extraArgs"},
		{"a port of its own", object{"extraArgs": []any{"--metrics-address=:9"}}, "which the chart sets itself"},
		{"two replicas without election", object{"extraArgs": []any{"--leader-elect=false"}}, "replicas is 2"},
		{"two ways in", object{"extraArgs": []any{"--oci-auth=api_key"}, "oci": object{"auth": "instance_principal"}}, "oci.auth only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := render(t, "tidemill-system", tt.change)
			if err == nil {
				t.Fatalf("rendered:\n%s", text)
			}
			if !strings.Contains(err.Error(), tt.say) {
				t.Errorf("error %v does not say %q", err, tt.say)
			}
		})
	}
}

// The chart's copies are the manifests: make generate copies them.
func TestCopies(t *testing.T) {
	for to, from := range map[string]string{"crd.yaml": "crd/tidemill.dev_pools.yaml", "rbac.yaml": "rbac.yaml", "admission.yaml": "admission.yaml"} {
		a, err := os.ReadFile("../chart/files/" + to)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile("../base/" + from)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("chart/files/%s is not %s: run make generate", to, from)
		}
	}
}
