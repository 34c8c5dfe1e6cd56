package playground

import (
	"context"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

const boats = `
# A document without an object is passed over.
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.playground.test}
spec:
  group: playground.test
  names: {kind: Boat, plural: boats, singular: boat}
  scope: Cluster
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-validations:
            - {rule: "self.min <= self.max", message: "min must not be above max"}
            properties: {min: {type: integer}, max: {type: integer}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: boats}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [playground.test], apiVersions: [v1], operations: [CREATE], resources: [boats]}
  validations:
  - {expression: "!object.metadata.name.startsWith('titanic')", message: "not that name"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: boats}
spec: {policyName: boats, validationActions: [Deny]}
---
apiVersion: playground.test/v1
kind: Boat
metadata: {name: of-the-same-stream}
spec: {min: 1, max: 2}
`

// Custom resources, their CEL rules and admission policies are those of the
// real API server.
func TestCustomResourcesAndAdmission(t *testing.T) {
	c, _ := cluster(t)
	if err := c.Apply(t.Context(), []byte(boats)); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context(), []byte(boats)); err != nil {
		t.Errorf("applied twice: %v", err)
	}
	client, err := dynamic.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	boat := func(name string, min, max int64) error {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "playground.test/v1", "kind": "Boat", "metadata": map[string]any{"name": name},
			"spec": map[string]any{"min": min, "max": max}}}
		resource := schema.GroupVersionResource{Group: "playground.test", Version: "v1", Resource: "boats"}
		_, err := client.Resource(resource).Create(t.Context(), object, metav1.CreateOptions{})
		return err
	}
	if err := boat("good", 1, 2); err != nil && !apierrors.IsAlreadyExists(err) { // with -count 2
		t.Errorf("the kind is not served: %v", err)
	}
	if err := boat("bad", 3, 2); !apierrors.IsInvalid(err) {
		t.Errorf("min above max: %v, want invalid", err)
	}
	tries := 0
	eventually(t, func(context.Context) error { // until the policy is compiled
		tries++
		err := boat(fmt.Sprintf("titanic-%d", tries), 1, 2)
		if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) {
			return nil
		}
		return fmt.Errorf("the policy lets it pass: %w", err)
	})
}

// What Apply gives may be used at once: the authorizer's caches are waited for.
func TestAppliedRightsAreInForce(t *testing.T) {
	c, _ := cluster(t)
	const rights = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bosun-%[1]d}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bosun-%[1]d}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: bosun-%[1]d}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: bosuns}
- {kind: ServiceAccount, namespace: default, name: bosun}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: bosun-%[1]d}
rules:
- {nonResourceURLs: [/metrics], verbs: [get]}
- {apiGroups: [""], resources: [pods/log], resourceNames: [only], verbs: [get]}
- {apiGroups: [""], resources: [pods], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: bosun-%[1]d, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: of-nobody}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: bosun-%[1]d}]
`
	for i := range 40 {
		if err := c.Apply(t.Context(), fmt.Appendf(nil, rights, i)); err != nil {
			t.Fatal(err)
		}
		config := c.RESTConfig()
		config.Impersonate.UserName = fmt.Sprintf("bosun-%d", i)
		bosun, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bosun.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Fatalf("right %d: %v", i, err)
		}
	}
}
