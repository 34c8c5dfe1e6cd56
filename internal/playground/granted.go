package playground

import (
	"context"
	"fmt"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
)

// learns is how long [Cluster.Apply] waits for the API server to act by what it
// has stored. That is a matter of milliseconds, unless the machine is busy.
const learns = 2 * time.Minute

// granted returns once the authorizer knows the bindings and their roles. It reads
// them from caches of its own, which learn of a write some time after the answer to
// it, and whoever acts in between is refused what he was given.
func (c *Cluster) granted(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		if g := object.GroupVersionKind(); g.Group != rbacv1.GroupName || !strings.HasSuffix(g.Kind, "Binding") {
			continue
		}
		var binding rbacv1.RoleBinding // a ClusterRoleBinding has the same shape
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &binding); err != nil {
			return err
		}
		rules, err := c.rulesOf(ctx, &binding)
		if err != nil {
			return err
		}
		for _, subject := range binding.Subjects {
			for _, rule := range rules {
				if err := c.allowed(ctx, ask(subject, binding.Namespace, rule)); err != nil {
					return fmt.Errorf("wait for %s %s: %w", binding.Kind, binding.Name, err)
				}
			}
		}
	}
	return nil
}

// rulesOf are the rules that a binding gives; none while its role is missing.
func (c *Cluster) rulesOf(ctx context.Context, b *rbacv1.RoleBinding) ([]rbacv1.PolicyRule, error) {
	if b.RoleRef.Kind == "Role" {
		role, err := c.client.RbacV1().Roles(b.Namespace).Get(ctx, b.RoleRef.Name, metav1.GetOptions{})
		if err != nil {
			return nil, ignoreNotFound(err)
		}
		return role.Rules, nil
	}
	role, err := c.client.RbacV1().ClusterRoles().Get(ctx, b.RoleRef.Name, metav1.GetOptions{})
	if err != nil {
		return nil, ignoreNotFound(err)
	}
	return role.Rules, nil
}

// ask is a question that the rule answers with yes: one says that the rule is known.
func ask(subject rbacv1.Subject, namespace string, rule rbacv1.PolicyRule) authorizationv1.SubjectAccessReviewSpec {
	spec := authorizationv1.SubjectAccessReviewSpec{User: subject.Name}
	switch subject.Kind {
	case rbacv1.ServiceAccountKind:
		spec.User = "system:serviceaccount:" + subject.Namespace + ":" + subject.Name
	case rbacv1.GroupKind:
		spec.User, spec.Groups = "somebody", []string{subject.Name}
	}
	if len(rule.NonResourceURLs) > 0 {
		spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: rule.NonResourceURLs[0], Verb: rule.Verbs[0]}
		return spec
	}
	resource, sub, _ := strings.Cut(rule.Resources[0], "/")
	spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: rule.Verbs[0], Group: rule.APIGroups[0], Resource: resource, Subresource: sub}
	if len(rule.ResourceNames) > 0 {
		spec.ResourceAttributes.Name = rule.ResourceNames[0]
	}
	return spec
}

// allowed waits until the authorizer says yes.
func (c *Cluster) allowed(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) error {
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, learns, true, func(ctx context.Context) (bool, error) {
		review, err := c.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		return review.Status.Allowed, nil
	})
}
