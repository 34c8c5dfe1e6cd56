package playground

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/controller-manager/pkg/informerfactory"
)

// A workshop is what the controllers are built from: one shared set of
// informers, as in kube-controller-manager, and a client for each.
type workshop struct {
	cluster  *Cluster
	shared   informers.SharedInformerFactory
	metadata metadatainformer.SharedInformerFactory
	all      informerfactory.InformerFactory // shared first, metadata for the rest
	mapper   *restmapper.DeferredDiscoveryRESTMapper
	started  chan struct{} // closed when the informers run
	rootCA   []byte
}

// A run is a controller's loop. It returns when ctx ends.
type run func(ctx context.Context)

// controllers are the loops that a workload on OKE can feel, each under the
// name it has in kube-controller-manager.
var controllers = []struct {
	name  string
	build func(context.Context, *workshop, *kubernetes.Clientset) (run, error)
}{
	{"namespace-controller", namespaceController},
	{"serviceaccount-controller", serviceAccounts},
	{"serviceaccount-token-controller", serviceAccountTokens},
	{"root-ca-certificate-publisher", rootCAPublisher},
	{"clusterrole-aggregation-controller", clusterRoleAggregation},
	{"deployment-controller", deployments},
	{"replicaset-controller", replicaSets},
	{"statefulset-controller", statefulSets},
	{"daemonset-controller", daemonSets},
	{"job-controller", jobs},
	{"disruption-controller", disruptions},
	{"endpointslice-controller", endpointSlices},
	{"garbage-collector-controller", garbage},
	{"pod-garbage-collector-controller", podGarbage},
	{"node-lifecycle-controller", nodeLifecycle},
	{"taint-eviction-controller", taintEviction},
}

// startControllers builds every controller, then starts the informers they
// asked for, then the controllers.
func (c *Cluster) startControllers(ctx context.Context) error {
	w, err := c.newWorkshop()
	if err != nil {
		return fmt.Errorf("start controllers: %w", err)
	}
	runs := make([]run, 0, len(controllers)+1)
	for _, controller := range controllers {
		client, err := kubernetes.NewForConfig(c.as(controller.name))
		if err != nil {
			return fmt.Errorf("start %s: %w", controller.name, err)
		}
		r, err := controller.build(ctx, w, client)
		if err != nil {
			return fmt.Errorf("start %s: %w", controller.name, err)
		}
		runs = append(runs, r)
	}
	runs = append(runs, c.readinessKeeper(w.shared))
	w.shared.Start(ctx.Done())
	w.metadata.Start(ctx.Done())
	close(w.started)
	for _, r := range runs {
		c.spawn(ctx, r)
	}
	return nil
}

func (c *Cluster) newWorkshop() (*workshop, error) {
	client, err := kubernetes.NewForConfig(c.as("shared-informers"))
	if err != nil {
		return nil, err
	}
	metadataClient, err := metadata.NewForConfig(c.as("metadata-informers"))
	if err != nil {
		return nil, err
	}
	rootCA, err := os.ReadFile(c.ca.bundle())
	if err != nil {
		return nil, err
	}
	w := &workshop{
		cluster:  c,
		shared:   informers.NewSharedInformerFactory(client, 12*time.Hour),
		metadata: metadatainformer.NewSharedInformerFactory(metadataClient, 12*time.Hour),
		mapper:   restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())),
		started:  make(chan struct{}),
		rootCA:   rootCA,
	}
	w.all = informerfactory.NewInformerFactory(w.shared, w.metadata)
	return w, nil
}

// config is a controller's own client configuration, for the clients that are
// not the typed one.
func (w *workshop) config(name string) *rest.Config { return w.cluster.as(name) }
