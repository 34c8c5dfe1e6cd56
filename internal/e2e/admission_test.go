package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// TestAdmission: an annotation moves machines, so that not everybody who may
// write one may write ours. It asks as people and as a kubelet.
func TestAdmission(t *testing.T) {
	env := open(t, Options{Pools: OnePool(1), Policies: map[string]v1alpha1.PoolSpec{}})
	ctx := within(t, 10*time.Minute)
	var nodes corev1.NodeList
	if err := env.Client.List(ctx, &nodes); err != nil || len(nodes.Items) != 1 {
		t.Fatalf("%d nodes, %v", len(nodes.Items), err)
	}
	node := nodes.Items[0].Name
	grant(t, env, "labeller", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "patch"}},
		rbacv1.PolicyRule{APIGroups: []string{"tidemill.dev"}, Resources: []string{"pools"}, Verbs: []string{"get", "patch"}})
	bind(t, env, "operator", "tidemill-operator")
	kubelet := rest.ImpersonationConfig{UserName: "system:node:" + node, Groups: []string{"system:nodes"}}
	s := stage(env)
	// The authorizer and the policies learn of what was just written a moment late,
	// each at a time of its own: every answer is waited for.
	for _, tt := range []struct {
		who    rest.ImpersonationConfig
		object client.Object
		name   string
		key    string
		status bool // by the status subresource
		refuse bool
	}{
		{rest.ImpersonationConfig{UserName: "labeller"}, &corev1.Node{}, node, "example.com/team", false, false},
		{rest.ImpersonationConfig{UserName: "labeller"}, &corev1.Node{}, node, v1alpha1.AnnotationDoNotDisrupt, false, true},
		{rest.ImpersonationConfig{UserName: "labeller"}, &v1alpha1.Pool{}, "workers", "example.com/team", false, false},
		{rest.ImpersonationConfig{UserName: "labeller"}, &v1alpha1.Pool{}, "workers", v1alpha1.AnnotationUpgradeTo, false, true},
		{kubelet, &corev1.Node{}, node, "example.com/kubelet", true, false},
		{kubelet, &corev1.Node{}, node, v1alpha1.AnnotationDisruption, true, true},
		{kubelet, &corev1.Node{}, node, v1alpha1.AnnotationDisruption, false, true},
		{rest.ImpersonationConfig{UserName: "operator"}, &corev1.Node{}, node, v1alpha1.AnnotationDoNotDisrupt, false, false},
		{rest.ImpersonationConfig{UserName: "operator"}, &v1alpha1.Pool{}, "workers", v1alpha1.AnnotationPause, false, false},
	} {
		t.Run(tt.who.UserName+" "+tt.key, func(t *testing.T) {
			write := annotate
			if tt.status {
				write = annotateStatus
			}
			want := "the write to be admitted"
			if tt.refuse {
				want = "a refusal that says which right is missing"
			}
			if err := s.Wait(ctx, want, time.Minute, func(ctx context.Context) (bool, string, error) {
				err := write(ctx, env, tt.who, tt.object, tt.name, tt.key)
				if !tt.refuse {
					return err == nil, fmt.Sprint(err), nil
				}
				return apierrors.IsForbidden(err) && strings.Contains(err.Error(), `the verb "cycle" on pools.tidemill.dev`), fmt.Sprint(err), nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

func as(env *Env, who rest.ImpersonationConfig) (client.Client, error) {
	config := env.Cluster.RESTConfig()
	config.Impersonate = who
	config.Impersonate.Groups = append(slices.Clone(who.Groups), "system:authenticated")
	scheme, err := kube.NewScheme()
	if err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: scheme})
}

func annotate(ctx context.Context, env *Env, who rest.ImpersonationConfig, o client.Object, name, key string) error {
	c, err := as(env, who)
	if err != nil {
		return err
	}
	o.SetName(name)
	return c.Patch(ctx, o, annotation(key))
}

func annotateStatus(ctx context.Context, env *Env, who rest.ImpersonationConfig, o client.Object, name, key string) error {
	c, err := as(env, who)
	if err != nil {
		return err
	}
	o.SetName(name)
	return c.Status().Patch(ctx, o, annotation(key))
}

// annotation is a new value each time: a write that changes nothing is no test.
func annotation(key string) client.Patch {
	return client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"%d"}}}`, key, time.Now().UnixNano()))
}

// grant gives a user rights in the whole cluster.
func grant(t *testing.T, env *Env, user string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	if err := env.Client.Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules}); err != nil {
		t.Fatal(err)
	}
	bind(t, env, user, user)
}

func bind(t *testing.T, env *Env, user, role string) {
	t.Helper()
	err := env.Client.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	})
	if err != nil {
		t.Fatal(err)
	}
}
