package e2e

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tidemill/tidemill/doctor"
)

// bystander is who tries the doctor first: somebody with a right to read nodes
// and pods, in a cluster where tidemill was never installed. What he may not see
// is said once each, and the rest is examined.
func (s *surgery) bystander(ctx context.Context, t *testing.T) {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "bystander"},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes", "pods"}, Verbs: []string{"get", "list"}}}}
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: role.ObjectMeta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "jane"}}}
	if _, err := s.set.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.set.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	jane := *s
	jane.env = []string{"KUBECONFIG=" + s.kubeconfigOf(t, "jane")}
	s.condition(ctx, t, corev1.ConditionTrue)
	defer s.condition(ctx, t, corev1.ConditionFalse)
	jane.sees(ctx, t, map[string]doctor.State{"other-monitors": doctor.Warn, "ready": doctor.Pass, "pod-capacity": doctor.Pass,
		"system-pods": doctor.Unknown, "lease": doctor.Unknown, "volume-attachments": doctor.Unknown, "release": doctor.Skip})
	out, _ := jane.doctor(ctx, t)
	for _, want := range []string{
		"ReportedByOthers, on 1 of 2 nodes",
		"UNKNOWN daemonsets.apps: you may not list them; not checked: system-pods, oke-daemonsets\n",
		"SKIPPED oke: not asked, as --compartment-id and --cluster-id are not given; not checked: instance-gone,",
		"SKIPPED pools.tidemill.dev: tidemill is not installed in this cluster; nothing is said about repair\n",
	} {
		if strings.Count(out, want) != 1 {
			t.Errorf("not said, or more than once: %q\n%s", want, out)
		}
	}

	// With less still: nodes alone.
	role.Rules[0].Resources = []string{"nodes"}
	if _, err := s.set.RbacV1().ClusterRoles().Update(ctx, role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	jane.sees(ctx, t, map[string]doctor.State{"other-monitors": doctor.Warn, "ready": doctor.Pass, "pod-capacity": doctor.Unknown})

	// Without nodes there is nothing to report on, and that is no clean bill.
	if err := s.set.RbacV1().ClusterRoles().Delete(ctx, role.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	err := Until(ctx, "the right to be gone", time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		_, stderr, code, err := Command(ctx, s.binary, jane.env, "doctor")
		return code == 2 && strings.Contains(stderr, `cannot list resource "nodes"`), stderr, err
	})
	if err != nil {
		t.Error(err)
	}
}

// sees waits until the rights are known to the API server: its own cache of them
// is a moment late.
func (s *surgery) sees(ctx context.Context, t *testing.T, want map[string]doctor.State) {
	t.Helper()
	err := Until(ctx, "the report to be as it should", time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		out, stderr, code, err := Command(ctx, s.binary, s.env, "doctor", "-o", "json")
		if err != nil || code > 1 {
			return false, stderr, err
		}
		var r doctor.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			return false, "", err
		}
		i := slices.IndexFunc(r.Nodes, func(n doctor.NodeReport) bool { return n.Node == s.node.Name })
		if i < 0 {
			return false, "the node is not in the report", nil
		}
		for _, f := range r.Nodes[i].Findings {
			if state, asked := want[f.Check]; asked && f.State != state {
				return false, f.Check + " is " + f.State.String() + " (" + f.Reason + ")", nil
			}
		}
		return true, "", nil
	})
	if err != nil {
		t.Error(err)
	}
}

// kubeconfigOf is the administrator's, in somebody else's name.
func (s *surgery) kubeconfigOf(t *testing.T, user string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(s.cluster.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range config.AuthInfos {
		who.Impersonate = user
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}
