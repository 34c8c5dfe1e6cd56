package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
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
		if err := e.Cluster.Apply(ctx, text); err != nil {
			return fmt.Errorf("install manifests: %w", err)
		}
	}
	return nil
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
