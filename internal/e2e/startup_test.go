package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
)

// TestStartUp starts the daemon where something is missing, one thing after the
// other: it says which, what that means and what to add, and what can work without
// it works.
func TestStartUp(t *testing.T) {
	env := open(t, Options{Pools: OnePool(1), Policies: OnePolicy(1, 4)})
	s := stage(env)
	if err := s.atRest(within(t, 5*time.Minute), "workers"); err != nil {
		t.Fatal(err)
	}
	if err := env.Daemon.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *Stage)
	}{
		{"a right that all rests on", withoutPods},
		{"rights that much rests on", withoutBudgetsAndVolumes},
		{"a statement of the cloud's policy", withoutWorkRequests},
		{"the statement that all rests on", withoutNodePools},
		{"the resource definition", withoutDefinition}, // the Pools go with it: last
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, s) })
	}
}

// endsWith runs the daemon where it cannot work: it ends with a sentence and a hint.
func (s *Stage) endsWith(t *testing.T, want ...string) {
	t.Helper()
	_, talk, code, err := Command(within(t, 5*time.Minute), s.options.Tidemill, s.Daemon.env, s.Daemon.args...)
	if err != nil || code != 3 {
		t.Errorf("exit code %d, %v: want 3\n%s", code, err, talk)
	}
	for _, w := range append(want, "error: ", "hint: ") {
		if !strings.Contains(talk, w) {
			t.Errorf("it does not say %q:\n%s", w, talk)
		}
	}
}

// withoutRule takes resources out of the daemon's role for the time of a test. It
// returns when that is in force, and the test ends when it is undone.
func (s *Stage) withoutRule(t *testing.T, resources ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	taken := func(name string) bool { return slices.Contains(resources, name) }
	var role rbacv1.ClusterRole
	if err := s.Client.Get(ctx, client.ObjectKey{Name: "tidemill"}, &role); err != nil {
		t.Fatal(err)
	}
	before := role.DeepCopy().Rules
	change := func(rules []rbacv1.PolicyRule, allowed bool) {
		role.Rules = rules
		if err := s.Client.Update(ctx, &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range before {
			each(rule, func(r Right) {
				if taken(r.Resource) {
					untilMay(ctx, t, s.Env, account, r, allowed)
				}
			})
		}
	}
	var left []rbacv1.PolicyRule
	for _, r := range before {
		r.Resources = slices.DeleteFunc(slices.Clone(r.Resources), taken)
		if len(r.Resources) > 0 {
			left = append(left, r)
		}
	}
	change(left, false)
	t.Cleanup(func() { change(before, true) })
}

func withoutPods(t *testing.T, s *Stage) {
	s.withoutRule(t, "pods")
	s.endsWith(t, "may not list pods, watch pods", "nothing works without", "rbac.yaml")
}

// withoutBudgetsAndVolumes is what an upgrade looks like that brought a new image
// and no new roles.
func withoutBudgetsAndVolumes(t *testing.T, s *Stage) {
	s.withoutRule(t, "poddisruptionbudgets", "volumeattachments", "csinodes")
	defer s.startAgain(t)()
	ctx := within(t, 5*time.Minute)
	w := Workload{Name: "unimpeded", Replicas: 12, Requests: ask("400m", "1Gi")}
	if err := s.Deploy(ctx, w); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "the pool to grow for the pods", 2*time.Minute, s.allRun(w)); err != nil {
		t.Error(err)
	}
	said := s.logged(t)
	for _, want := range []string{"list poddisruptionbudgets.policy", "watch volumeattachments.storage.k8s.io", "the API server still keeps them at each eviction", "rbac.yaml grants it"} {
		if !strings.Contains(said, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if line := shownInInstall(t); !strings.Contains(said, line) {
		t.Errorf("docs/install.md shows what the log does not have:\n%s", line)
	}
	if strings.Contains(said, "right=\"list pods\"") {
		t.Error("a right that is there is said to be missing")
	}
}

// shownInInstall is the line about a missing right, as the page on installing has
// it, which breaks it for the reader.
func shownInInstall(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```text\nlevel=WARN")
	block, _, ok := strings.Cut(block, "```")
	if !ok {
		t.Fatal("docs/install.md shows no line of the log")
	}
	return "level=WARN " + strings.Join(strings.Fields(block), " ")
}

// startAgain starts the daemon; what is returned stops it and reports how it died.
func (s *Stage) startAgain(t *testing.T) func() {
	t.Helper()
	if err := os.Truncate(s.Daemon.Log(), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Daemon.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := s.Daemon.Err(); err != nil {
			t.Error(err)
		}
		if err := s.Daemon.Stop(); err != nil {
			t.Error(err)
		}
	}
}

func (s *Stage) logged(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.Daemon.Log())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// withoutStatement is the shipped policy but for statements with these words.
func (s *Stage) withoutStatement(t *testing.T, words string) {
	t.Helper()
	text, err := os.ReadFile("../../manifests/iam/policy.txt")
	if err != nil {
		t.Fatal(err)
	}
	var statements []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "Allow ") && !strings.Contains(line, words) {
			// The playground's caller is a user, in no dynamic group.
			line = strings.Replace(line, "dynamic-group tidemill", "any-user", 1)
			statements = append(statements, strings.Replace(line, "compartment NAME", "tenancy", 1))
		}
	}
	policy, err := okesim.ParsePolicy(statements...)
	if err != nil {
		t.Fatal(err)
	}
	s.Sim.SetPolicy(policy)
	t.Cleanup(func() { s.Sim.SetPolicy(nil) })
}

// withoutWorkRequests: why a growth failed cannot be read, and growing goes on.
func withoutWorkRequests(t *testing.T, s *Stage) {
	s.withoutStatement(t, "cluster-work-requests")
	defer s.startAgain(t)()
	ctx := within(t, 5*time.Minute)
	w := Workload{Name: "more", Replicas: 12, Requests: ask("400m", "1Gi")}
	if err := s.Deploy(ctx, w); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "the pool to grow for the pods", 2*time.Minute, s.allRun(w)); err != nil {
		t.Error(err)
	}
}

// withoutNodePools: nothing can be read; the Pool says which statement it takes.
func withoutNodePools(t *testing.T, s *Stage) {
	s.withoutStatement(t, "cluster-node-pools")
	defer s.startAgain(t)()
	ctx := within(t, 5*time.Minute)
	if err := s.Wait(ctx, "the cloud's refusal to be shown", 2*time.Minute, s.notReady("workers", "CloudUnavailable")); err != nil {
		t.Error(err)
	}
	p, err := s.Pool(ctx, "workers")
	if err != nil {
		t.Fatal(err)
	}
	if c := condition(p, "Ready"); !strings.Contains(c.Message, "read cluster-node-pools in compartment id") {
		t.Errorf("the Pool says %q", c.Message)
	}
	s.Sim.SetPolicy(nil)
	if err := s.Wait(ctx, "the pool to be read again", 2*time.Minute, s.ready("workers")); err != nil {
		t.Error(err)
	}
}

func withoutDefinition(t *testing.T, s *Stage) {
	ctx := within(t, 5*time.Minute)
	set, err := kubernetes.NewForConfig(s.fastConfig())
	if err != nil {
		t.Fatal(err)
	}
	crd := &unstructured.Unstructured{}
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	crd.SetKind("CustomResourceDefinition")
	crd.SetName("pools.tidemill.dev")
	if err := s.Client.Delete(ctx, crd); err != nil {
		t.Fatal(err)
	}
	if err := Until(ctx, "the definition to be gone", time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		err := s.Client.Get(ctx, client.ObjectKeyFromObject(crd), crd)
		return client.IgnoreNotFound(err) == nil && err != nil, fmt.Sprint(err), client.IgnoreNotFound(err)
	}); err != nil {
		t.Fatal(err)
	}
	// Discovery forgets later than the store does.
	if err := Until(ctx, "the kind to be unknown", time.Minute, nil, func(context.Context) (bool, string, error) {
		_, err := set.Discovery().ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
		return err != nil, "it is told of", client.IgnoreNotFound(err)
	}); err != nil {
		t.Fatal(err)
	}
	s.endsWith(t, "does not know the resource pools.tidemill.dev", "kubectl apply -k manifests")
}
