package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/playground"
	"github.com/tidemill/tidemill/manifests"
)

// foreign are the groups of objects whose CRDs belong to others.
var foreign = map[string]bool{"cert-manager.io": true, "monitoring.coreos.com": true}

// TestInstall applies everything that is shipped to a real API server: strictly,
// so that a misspelt field is an error, and with Pod Security in force, so that
// the pods are judged as a user's cluster judges them.
func TestInstall(t *testing.T) {
	ctx := within(t, 10*time.Minute)
	cluster, c := bare(ctx, t, 0)
	// The kind is waited for here; that it is applied strictly comes below.
	if err := cluster.Apply(ctx, manifests.CRD()); err != nil {
		t.Fatal(err)
	}
	c = client.WithFieldValidation(c, metav1.FieldValidationStrict)
	for _, name := range shipped(t) {
		t.Run(name, func(t *testing.T) { applyAll(ctx, t, c, read(t, name)) })
	}
	t.Run("documents", func(t *testing.T) { documentsApply(ctx, t, c) })
	t.Run("what is admitted can be read", func(t *testing.T) { admittedIsReadable(ctx, t, c) })
	t.Run("the rights of Prometheus", func(t *testing.T) {
		for _, o := range read(t, shippedMonitoring+"rbac.yaml") {
			if err := c.Create(ctx, o, client.DryRunAll); err != nil {
				t.Errorf("create %s %s: %v", o.GetKind(), o.GetName(), err)
			}
		}
	})
	// The judge must be able to say no, else the above proves nothing.
	lax := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "lax", Namespace: namespace}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}
	if err := Until(ctx, "Pod Security to refuse a pod without a security context", time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		err := c.Create(ctx, lax.DeepCopy(), client.DryRunAll)
		return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "PodSecurity"), fmt.Sprint(err), nil
	}); err != nil {
		t.Error(err)
	}
	misspelt := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "tidemill.dev/v1alpha1", "kind": "Pool", "metadata": map[string]any{"name": "misspelt"},
		"spec": map[string]any{"nodePoolID": "a", "scale": map[string]any{"minSize": int64(1), "maxSize": int64(2), "maxSice": int64(3)}},
	}}
	if err := c.Create(ctx, misspelt, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "maxSice") {
		t.Errorf("a misspelt field: %v, want it to be named", err)
	}
}

// bare is a cluster without tidemill, for tests of what is shipped, with a pool of
// so many nodes; and its administrator's client.
func bare(ctx context.Context, t *testing.T, nodes int) (*playground.Cluster, client.Client) {
	t.Helper()
	cluster, err := playground.Start(ctx, playground.Options{Pools: OnePool(nodes)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Stop)
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cluster.RESTConfig(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return cluster, c
}

// shipped are the base, the overlays, and what the chart renders.
func shipped(t *testing.T) []string {
	t.Helper()
	overlays, err := filepath.Glob("../../manifests/overlays/*")
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := filepath.Glob("../../manifests/chart/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := append(append([]string{"../../manifests"}, overlays...), rendered...)
	if len(all) < 7 {
		t.Fatalf("only %d things are shipped: %v", len(all), all)
	}
	return all
}

// read gives the objects of a kustomization or of a file of documents.
func read(t *testing.T, path string) []*unstructured.Unstructured {
	t.Helper()
	var text []byte
	var err error
	if strings.HasSuffix(path, ".yaml") {
		text, err = os.ReadFile(path)
	} else {
		out, failed := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), path)
		if failed != nil {
			t.Fatalf("kustomize build: %v", failed)
		}
		text, err = out.AsYaml()
	}
	if err != nil {
		t.Fatal(err)
	}
	objects, err := playground.Documents(text)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// applyAll is stricter than [playground.Cluster.Apply], which installs: a misspelt
// field is an error, and the pods that workloads would make are judged too.
func applyAll(ctx context.Context, t *testing.T, c client.Client, objects []*unstructured.Unstructured) {
	t.Helper()
	applied, pods := 0, 0
	for _, o := range objects {
		if foreign[o.GroupVersionKind().Group] {
			continue
		}
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.DeepCopy()), client.FieldOwner("installer"), client.ForceOwnership); err != nil {
			t.Errorf("apply %s %s: %v", o.GetKind(), o.GetName(), err)
			continue
		}
		applied++
		template, ok, err := templateOf(o)
		if err != nil {
			t.Error(err)
		}
		if !ok {
			continue
		}
		pods++
		pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		pod.Name, pod.Namespace = "judged", o.GetNamespace()
		// Admission learns of a namespace's labels and accounts a moment late.
		if err := Until(ctx, "its pod to be admitted", time.Minute, nil, func(ctx context.Context) (bool, string, error) {
			err := c.Create(ctx, pod.DeepCopy(), client.DryRunAll)
			return err == nil, fmt.Sprint(err), nil
		}); err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
	t.Logf("%d objects applied, %d kinds of pods admitted", applied, pods)
	if applied == 0 || pods == 0 && slices.ContainsFunc(objects, beyondRights) {
		t.Error("nothing was tested")
	}
}

// beyondRights is whether an object does more than to let something happen. What
// holds only rights is put beside an installation.
func beyondRights(o *unstructured.Unstructured) bool {
	return !slices.Contains([]string{"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "NetworkPolicy"}, o.GetKind())
}

// templateOf is the pod of a workload.
func templateOf(o *unstructured.Unstructured) (corev1.PodTemplateSpec, bool, error) {
	convert := runtime.DefaultUnstructuredConverter.FromUnstructured
	switch o.GetKind() {
	case "Deployment":
		var d appsv1.Deployment
		err := convert(o.Object, &d)
		return d.Spec.Template, true, err
	case "DaemonSet":
		var d appsv1.DaemonSet
		err := convert(o.Object, &d)
		return d.Spec.Template, true, err
	case "Pod", "Job", "StatefulSet", "CronJob":
		return corev1.PodTemplateSpec{}, false, fmt.Errorf("%s %s is not judged: teach templateOf", o.GetKind(), o.GetName())
	}
	return corev1.PodTemplateSpec{}, false, nil
}
