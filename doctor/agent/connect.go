package agent

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Connect opens a client that knows Nodes and nothing else. The mapping from
// kind to path is given instead of discovered: discovery is a right, a dozen
// requests and some megabytes, on every node.
func Connect(config *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("open client of nodes: %w", err)
	}
	version := schema.GroupVersion{Version: "v1"}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{version})
	mapper.Add(version.WithKind("Node"), meta.RESTScopeRoot)
	// JSON, though protobuf would take less: server-side apply answers in nothing
	// else.
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("open client of nodes: %w", err)
	}
	return c, nil
}
