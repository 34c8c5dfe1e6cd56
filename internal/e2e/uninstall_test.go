package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/playground"
	"github.com/tidemill/tidemill/manifests"
)

// TestUninstall takes tidemill away in the worst moment, in the middle of a
// turn-over: cleanup gives every node back as it was, removing the manifests
// removes the rest, and no machine is lost by it.
func TestUninstall(t *testing.T) {
	env := open(t, Options{Pools: OnePool(3), Policies: OnePolicy(3, 5)})
	s, ctx := stage(env), within(t, 10*time.Minute)
	own := plant(ctx, t, env)
	// Each node carries pods that a budget keeps: the first one to be emptied is so
	// for as long as its drain may last.
	kept := Workload{Name: "kept", Replicas: 12, Requests: ask("400m", "1Gi")}
	if err := s.settled(ctx, kept); err != nil {
		t.Fatal(err)
	}
	if err := env.Client.Create(ctx, pdb(kept.Name, 0, kept.labels())); err != nil {
		t.Fatal(err)
	}
	if err := s.ChangePool(ctx, "workers", func(p *v1alpha1.Pool) {
		p.Annotations = map[string]string{v1alpha1.AnnotationCycle: "now"}
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "a node in the middle of its drain", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		marked, err := allMarks(ctx, env)
		return slices.ContainsFunc(marked, func(m string) bool { return strings.HasSuffix(m, v1alpha1.AnnotationDisruption) }), fmt.Sprintf("%d marks", len(marked)), err
	}); err != nil {
		t.Fatal(err)
	}
	refusedBeside(ctx, t, env)
	if err := env.Daemon.Stop(); err != nil {
		t.Fatal(err)
	}
	before, err := allMarks(ctx, env)
	if err != nil {
		t.Fatal(err)
	}
	said, _, code, err := env.CLI(ctx, "cleanup", "--namespace", namespace, "--dry-run")
	if err != nil || code != 0 || !strings.Contains(said, v1alpha1.AnnotationDisruption) {
		t.Errorf("dry run: code %d, %v:\n%s", code, err, said)
	}
	if after, err := allMarks(ctx, env); err != nil || !slices.Equal(before, after) {
		t.Errorf("a dry run changed %v into %v, %v", before, after, err)
	}
	if said, talk, code, err := env.CLI(ctx, "cleanup", "--namespace", namespace); err != nil || code != 0 {
		t.Errorf("cleanup: code %d, %v:\n%s%s", code, err, said, talk)
	}
	cleanNodes(ctx, t, env, own)
	removeManifests(ctx, t, env)
	if sim := env.Sim.Pools(); len(sim) != 1 || sim[0].Size < 3 {
		t.Errorf("the cloud has %+v, want no machine lost", sim)
	}
}

// plant makes marks of somebody else on a node, which have to stay.
func plant(ctx context.Context, t *testing.T, env *Env) string {
	t.Helper()
	var nodes corev1.NodeList
	if err := env.Client.List(ctx, &nodes); err != nil || len(nodes.Items) == 0 {
		t.Fatalf("%d nodes, %v", len(nodes.Items), err)
	}
	n := &nodes.Items[0]
	base := n.DeepCopy()
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	n.Annotations["example.com/owner"] = "somebody"
	n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: "example.com/own", Effect: corev1.TaintEffectPreferNoSchedule})
	if err := env.Client.Patch(ctx, n, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})); err != nil {
		t.Fatal(err)
	}
	return n.Name
}

// refusedBeside: while a daemon leads, nothing is taken off.
func refusedBeside(ctx context.Context, t *testing.T, env *Env) {
	t.Helper()
	_, talk, code, err := env.CLI(ctx, "cleanup", "--namespace", namespace)
	if err != nil || code != 1 || !strings.Contains(talk, "hint: ") {
		t.Errorf("cleanup beside a daemon: code %d, %v:\n%s", code, err, talk)
	}
}

func allMarks(ctx context.Context, env *Env) ([]string, error) {
	var nodes corev1.NodeList
	if err := env.Client.List(ctx, &nodes); err != nil {
		return nil, err
	}
	var out []string
	for i := range nodes.Items {
		for _, m := range kube.Marks(&nodes.Items[i]) {
			out = append(out, nodes.Items[i].Name+" "+m)
		}
	}
	slices.Sort(out)
	return out, nil
}

// cleanNodes looks at the Nodes itself, not through the code that cleaned them.
func cleanNodes(ctx context.Context, t *testing.T, env *Env, own string) {
	t.Helper()
	var nodes corev1.NodeList
	if err := env.Client.List(ctx, &nodes); err != nil {
		t.Fatal(err)
	}
	kept := false
	for _, n := range nodes.Items {
		for key := range n.Annotations {
			if strings.HasPrefix(key, "tidemill.dev/") {
				t.Errorf("node %s has annotation %s", n.Name, key)
			}
		}
		for _, taint := range n.Spec.Taints {
			if strings.HasPrefix(taint.Key, "tidemill.dev/") {
				t.Errorf("node %s has taint %s", n.Name, taint.Key)
			}
			kept = kept || n.Name == own && taint.Key == "example.com/own" && n.Annotations["example.com/owner"] == "somebody"
		}
		for _, c := range n.Status.Conditions {
			if strings.HasPrefix(string(c.Type), "Tidemill") {
				t.Errorf("node %s has condition %s", n.Name, c.Type)
			}
		}
		if n.Spec.Unschedulable || n.Annotations[v1alpha1.AnnotationScaleDownDisabled] != "" {
			t.Errorf("node %s is cordoned or kept from scale-down", n.Name)
		}
	}
	if !kept && slices.ContainsFunc(nodes.Items, func(n corev1.Node) bool { return n.Name == own }) {
		t.Errorf("what somebody else has set on %s is gone", own)
	}
}

// removeManifests is kubectl delete -k, in its order.
func removeManifests(ctx context.Context, t *testing.T, env *Env) {
	t.Helper()
	for _, text := range [][]byte{manifests.Admission(), manifests.RBAC(), manifests.Namespace(), manifests.CRD()} {
		objects, err := playground.Documents(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if err := client.IgnoreNotFound(env.Client.Delete(ctx, o)); err != nil {
				t.Errorf("delete %s %s: %v", o.GetKind(), o.GetName(), err)
			}
		}
	}
	err := Until(ctx, "the Pools to be gone", time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		crd := &unstructured.Unstructured{}
		crd.SetAPIVersion("apiextensions.k8s.io/v1")
		crd.SetKind("CustomResourceDefinition")
		err := env.Client.Get(ctx, client.ObjectKey{Name: "pools.tidemill.dev"}, crd)
		return client.IgnoreNotFound(err) == nil && err != nil, "the definition is still there", client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Error(err)
	}
}
