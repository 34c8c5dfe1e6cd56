package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/tidemill/tidemill/internal/playground"
	"github.com/tidemill/tidemill/manifests"
)

// Right is one thing that an account may do: a verb on a resource of a group,
// "pods/eviction" for a subresource.
type Right struct{ Verb, Group, Resource string }

// String spells it as in "patch nodes/status", with the group behind a dot.
func (r Right) String() string {
	if r.Group == "" {
		return r.Verb + " " + r.Resource
	}
	return r.Verb + " " + r.Resource + "." + r.Group
}

// account is how the API server spells the daemon's name.
const account = "system:serviceaccount:" + namespace + ":" + serviceAccount

// auditPath is where the API server writes down what the daemon asked for.
func (e *Env) auditPath() string { return e.dir + "/audit.log" }

// RightsUsed reads from the API server's audit log what the daemon asked for:
// what it was given, and what it was refused.
func (e *Env) RightsUsed() (used, refused map[Right]int, err error) {
	text, err := os.ReadFile(e.auditPath())
	if err != nil {
		return nil, nil, fmt.Errorf("read audit log: %w", err)
	}
	used, refused = map[Right]int{}, map[Right]int{}
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it is being written
		}
		var event auditv1.Event
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, nil, fmt.Errorf("read audit log: %w", err)
		}
		// A URL without a resource (/version, discovery) is open to every account.
		if event.User.Username != account || event.ObjectRef == nil || event.Stage == auditv1.StageRequestReceived {
			continue
		}
		right := Right{event.Verb, event.ObjectRef.APIGroup, event.ObjectRef.Resource}
		if event.ObjectRef.Subresource != "" {
			right.Resource += "/" + event.ObjectRef.Subresource
		}
		if event.Annotations["authorization.k8s.io/decision"] == "forbid" {
			refused[right]++
			continue
		}
		used[right]++
	}
	return used, refused, nil
}

// RightsGranted are all that the manifests bind to the daemon's account.
func RightsGranted() ([]Right, error) {
	objects, err := playground.Documents(manifests.RBAC())
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	bound, rules := map[string]bool{}, map[string][]rbacv1.PolicyRule{}
	for _, o := range objects {
		var role rbacv1.ClusterRole // a Role has the same shape
		var binding rbacv1.ClusterRoleBinding
		switch o.GetKind() {
		case "ClusterRole", "Role":
			err = runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role)
			rules[o.GetName()] = role.Rules
		case "ClusterRoleBinding", "RoleBinding":
			err = runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &binding)
			bound[binding.RoleRef.Name] = true
		}
		if err != nil {
			return nil, fmt.Errorf("read %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	set := map[Right]bool{}
	for role := range bound {
		for _, rule := range rules[role] {
			each(rule, func(r Right) { set[r] = true })
		}
	}
	granted := make([]Right, 0, len(set))
	for r := range set {
		granted = append(granted, r)
	}
	slices.SortFunc(granted, func(a, b Right) int { return strings.Compare(a.String(), b.String()) })
	return granted, nil
}

func each(rule rbacv1.PolicyRule, do func(Right)) {
	for _, g := range rule.APIGroups {
		for _, res := range rule.Resources {
			for _, v := range rule.Verbs {
				do(Right{v, g, res})
			}
		}
	}
}
