package main

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// TestRightsHaveWords: whatever right is missing, there is a sentence for it.
func TestRightsHaveWords(t *testing.T) {
	all, err := rightsOfManifests("nodes")
	if err != nil || len(all) < 50 {
		t.Fatalf("%d rights, %v", len(all), err)
	}
	seen := map[string]bool{}
	for _, r := range all {
		seen[r.resource] = true
		if without[r.resource] == "" {
			t.Errorf("nothing says what is amiss without %s", r)
		}
		if r.namespace == "tidemill-system" {
			t.Errorf("%s: another namespace is another namespace everywhere", r)
		}
	}
	for resource := range without {
		if !seen[resource] {
			t.Errorf("there is a sentence for %s, which the manifests do not grant", resource)
		}
	}
}

// allowing is an API server that lists these rules and allows also what listed does
// not show but alsoAllowed says.
func allowing(rules []rbacv1.PolicyRule, alsoAllowed string) *fake.Clientset {
	set := fake.NewClientset()
	set.PrependReactor("create", "selfsubjectrulesreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		review := &authorizationv1.SelfSubjectRulesReview{}
		for _, r := range rules {
			review.Status.ResourceRules = append(review.Status.ResourceRules, authorizationv1.ResourceRule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames})
		}
		return true, review, nil
	})
	set.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview)
		review.Status.Allowed = review.Spec.ResourceAttributes.Resource == alsoAllowed
		return true, review, nil
	})
	return set
}

func TestCharter(t *testing.T) {
	needs := []right{
		{verb: "list", resource: "nodes", role: "tidemill"}, {verb: "list", group: "policy", resource: "poddisruptionbudgets", role: "tidemill"},
		{verb: "create", resource: "pods/eviction", role: "tidemill"}, {verb: "get", resource: "configmaps", namespace: "kube-system", name: "a", role: "other"},
	}
	everything := []rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}}
	onlyNodes := []rbacv1.PolicyRule{{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"nodes"}}}
	for name, tt := range map[string]struct {
		rules   []rbacv1.PolicyRule
		also    string
		missing []string
		refused string
	}{
		"everything":           {everything, "", nil, ""},
		"only nodes":           {onlyNodes, "", []string{"list poddisruptionbudgets.policy", "create pods/eviction", "get configmaps/a -n kube-system"}, ""},
		"another authorizer's": {onlyNodes, "poddisruptionbudgets", []string{"create pods/eviction", "get configmaps/a -n kube-system"}, ""},
		"nothing":              {nil, "", nil, "may not list nodes: nothing works without"},
	} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			h := newCharter(allowing(tt.rules, tt.also).AuthorizationV1(), needs, slog.New(slog.NewTextHandler(&said, nil)))
			h.look(t.Context())
			err := h.refusal()
			var f *failure
			if tt.refused != "" {
				if !errors.As(err, &f) || f.code != exitBlind || !strings.Contains(f.Error(), tt.refused) || len(f.hints) == 0 {
					t.Errorf("refusal is %v, want %q with a hint", err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Error(err)
			}
			for _, r := range tt.missing {
				if testutil.ToFloat64(h.absent.WithLabelValues(r)) != 1 || strings.Count(said.String(), "right=\""+r+"\"") != 1 {
					t.Errorf("%q is not told once:\n%s", r, said.String())
				}
			}
			if n := testutil.CollectAndCount(h.absent); n != len(tt.missing) {
				t.Errorf("%d rights are missing, want %v", n, tt.missing)
			}
			before := said.Len()
			if h.look(t.Context()); said.Len() != before {
				t.Errorf("the same is told again: %s", said.String()[before:])
			}
			h.ask = allowing(everything, "").AuthorizationV1()
			if h.look(t.Context()); testutil.CollectAndCount(h.absent) != 0 || h.unreadable("policy", "poddisruptionbudgets") {
				t.Error("what has come is still missing")
			}
		})
	}
}

func TestCovers(t *testing.T) {
	rule := func(verb, group, resource string, names ...string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{{Verbs: []string{verb}, APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names}}
	}
	evict, lease := right{verb: "create", resource: "pods/eviction"}, right{verb: "get", group: "coordination.k8s.io", resource: "leases", name: "tidemill"}
	for name, tt := range map[string]struct {
		rules []rbacv1.PolicyRule
		r     right
		want  bool
	}{
		"the same":               {rule("create", "", "pods/eviction"), evict, true},
		"of any resource":        {rule("create", "", "*/eviction"), evict, true},
		"without a subresource":  {rule("create", "", "pods"), evict, false},
		"another group":          {rule("create", "policy", "pods/eviction"), evict, false},
		"another verb":           {rule("get", "", "pods/eviction"), evict, false},
		"for this name":          {rule("get", "coordination.k8s.io", "leases", "a", "tidemill"), lease, true},
		"for another name":       {rule("get", "coordination.k8s.io", "leases", "a"), lease, false},
		"for a name, all wanted": {rule("create", "", "pods/eviction", "a"), evict, false},
	} {
		if got := covers(tt.rules, tt.r); got != tt.want {
			t.Errorf("%s: covers is %t", name, got)
		}
	}
}

// deaf is a cache that must not be asked.
type deaf struct{ cache.Cache }

func TestPartialCache(t *testing.T) {
	p := &partialCache{deaf{}, someClient(t).Scheme(), func(group, resource string) bool { return group == "policy" && resource == "poddisruptionbudgets" }}
	budgets := &policyv1.PodDisruptionBudgetList{Items: make([]policyv1.PodDisruptionBudget, 1)}
	if err := p.List(t.Context(), budgets); err != nil || len(budgets.Items) != 0 {
		t.Errorf("%d budgets, %v: want none", len(budgets.Items), err)
	}
	if _, err := p.GetInformer(t.Context(), &policyv1.PodDisruptionBudget{}); !errors.Is(err, errUnreadable) {
		t.Errorf("informer: %v", err)
	}
	if _, denied := p.denied(&corev1.PodList{}); denied {
		t.Error("pods are denied too")
	}
	// Every kind that is watched is spelt as the roles spell it.
	all, err := rightsOfManifests("tidemill-system")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []client.ObjectList{
		&v1alpha1.PoolList{}, &corev1.NodeList{}, &corev1.PodList{}, &corev1.NamespaceList{}, &corev1.ServiceList{}, &corev1.PersistentVolumeClaimList{},
		&corev1.PersistentVolumeList{}, &appsv1.DaemonSetList{}, &storagev1.StorageClassList{}, &storagev1.CSINodeList{}, &storagev1.VolumeAttachmentList{},
	} {
		resource, _ := p.denied(list)
		if !slices.ContainsFunc(all, func(r right) bool {
			return r.verb == "watch" && r.group == resource.Group && r.resource == resource.Resource
		}) {
			t.Errorf("%T is taken for %s, which the roles do not have", list, resource)
		}
	}
}
