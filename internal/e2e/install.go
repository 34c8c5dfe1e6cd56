package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/manifests"
)

// Where the manifests put tidemill.
const (
	namespace      = "tidemill-system"
	serviceAccount = "tidemill"
)

// install applies what a user applies, but for the Deployment: the daemon is a
// process here, with the Deployment's rights.
func (e *Env) install(ctx context.Context) error {
	for _, text := range [][]byte{manifests.CRD(), manifests.Namespace(), manifests.RBAC(), manifests.Admission()} {
		objects, err := documents(text)
		if err != nil {
			return fmt.Errorf("read manifests: %w", err)
		}
		for _, o := range objects {
			if err := e.Client.Create(ctx, o); err != nil {
				return fmt.Errorf("create %s %s: %w", o.GetKind(), o.GetName(), err)
			}
		}
	}
	return Until(ctx, "the API server to serve Pools", 20*time.Second, nil, func(ctx context.Context) (bool, string, error) {
		var crd apiextensionsv1.CustomResourceDefinition
		err := e.Client.Get(ctx, client.ObjectKey{Name: "pools.tidemill.dev"}, &crd)
		for _, c := range crd.Status.Conditions {
			if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
				return true, "", err
			}
		}
		return false, "the resource is not established", err
	})
}

// documents splits YAML into objects; a document without one is passed over.
func documents(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		var o unstructured.Unstructured
		if err := yaml.Unmarshal(document, &o.Object); err != nil {
			return nil, err
		}
		if len(o.Object) > 0 {
			objects = append(objects, &o)
		}
	}
}
