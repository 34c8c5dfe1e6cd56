package manifests_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	psapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/tidemill/tidemill/internal/kube"
)

// build is what `kubectl kustomize DIR` prints.
func build(t *testing.T, dir string) []byte {
	t.Helper()
	k := krusty.MakeKustomizer(krusty.MakeDefaultOptions())
	out, err := k.Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatalf("kustomize build %s: %v", dir, err)
	}
	text, err := out.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func overlays(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("overlays/*/kustomization.yaml")
	if err != nil || len(dirs) < 3 {
		t.Fatalf("%d overlays, %v", len(dirs), err)
	}
	for i := range dirs {
		dirs[i] = filepath.Dir(dirs[i])
	}
	return dirs
}

// Every overlay builds, is restricted where it says nothing else, and has no key
// where it is about having none.
func TestOverlays(t *testing.T) {
	judge, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(overlays(t), ".") {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text := string(build(t, dir))
			for _, o := range typed(t, dir, text) {
				d, ok := o.(*appsv1.Deployment)
				if !ok {
					continue
				}
				level := psapi.LevelVersion{Level: psapi.LevelRestricted, Version: psapi.LatestVersion()}
				pod := d.Spec.Template
				if r := policy.AggregateCheckResults(judge.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec)); !r.Allowed {
					t.Errorf("deployment %s is not restricted: %s", d.Name, r.ForbiddenDetail())
				}
				keyless(t, dir, pod.Spec)
			}
		})
	}
}

// keyless checks what the overlays without a key are for.
func keyless(t *testing.T, dir string, pod corev1.PodSpec) {
	t.Helper()
	want := map[string]string{"workload-identity": "oke_workload_identity", "private-cluster": "oke_workload_identity", "instance-principal": "instance_principal"}[filepath.Base(dir)]
	if want == "" {
		return
	}
	i := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == "tidemill" })
	if i < 0 {
		t.Fatal("no container tidemill")
	}
	env := map[string]string{}
	for _, e := range pod.Containers[i].Env {
		env[e.Name] = e.Value
	}
	if env["TIDEMILL_OCI_AUTH"] != want || env["TIDEMILL_OCI_CONFIG"] != "" || len(pod.Volumes) != 0 || len(pod.Containers[i].VolumeMounts) != 0 {
		t.Errorf("auth %q, config %q, %d volumes: want %s and no key", env["TIDEMILL_OCI_AUTH"], env["TIDEMILL_OCI_CONFIG"], len(pod.Volumes), want)
	}
}

// typed reads the documents whose kind Kubernetes itself knows; those of others
// (cert-manager, the Prometheus operator) have no schema here.
func typed(t *testing.T, name, text string) []runtime.Object {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, doc := range strings.Split(text, "\n---\n") {
		if !strings.Contains(doc, "apiVersion: cert-manager.io/") && !strings.Contains(doc, "apiVersion: monitoring.coreos.com/") {
			known = append(known, doc)
		}
	}
	return parse(t, scheme, name, []byte(strings.Join(known, "\n---\n")))
}

// What the chart renders, as charttest keeps it, is restricted too.
func TestRenderedChart(t *testing.T) {
	judge, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("chart/testdata/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d rendered files, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		pods := 0
		for _, o := range typed(t, f, string(text)) {
			if d, ok := o.(*appsv1.Deployment); ok {
				pods++
				level := psapi.LevelVersion{Level: psapi.LevelRestricted, Version: psapi.LatestVersion()}
				if r := policy.AggregateCheckResults(judge.EvaluatePod(level, &d.Spec.Template.ObjectMeta, &d.Spec.Template.Spec)); !r.Allowed {
					t.Errorf("%s: %s", f, r.ForbiddenDetail())
				}
			}
		}
		if pods != 1 {
			t.Errorf("%s has %d Deployments", f, pods)
		}
	}
}
