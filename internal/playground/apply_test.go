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
	eventually(t, func(context.Context) error { // until the CRD is served
		if err := boat("good", 1, 2); !apierrors.IsAlreadyExists(err) {
			return err
		}
		return nil
	})
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
