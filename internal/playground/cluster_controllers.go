package playground

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/nodelifecycle"
	"k8s.io/kubernetes/pkg/controller/podgc"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/tainteviction"
)

func namespaceController(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	meta, err := metadata.NewForConfig(w.config("namespace-controller"))
	if err != nil {
		return nil, err
	}
	c := namespace.NewNamespaceController(ctx, client, meta, client.Discovery().ServerPreferredNamespacedResources,
		w.shared.Core().V1().Namespaces(), 5*time.Minute, corev1.FinalizerKubernetes)
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

func serviceAccounts(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	core := w.shared.Core().V1()
	c, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx), core.ServiceAccounts(), core.Namespaces(),
		client, serviceaccount.DefaultServiceAccountsControllerOptions())
	return func(ctx context.Context) { c.Run(ctx, workers) }, err
}

func serviceAccountTokens(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	generator, err := tokenIssuer(w.cluster.ca)
	if err != nil {
		return nil, err
	}
	core := w.shared.Core().V1()
	c, err := serviceaccount.NewTokensController(klog.FromContext(ctx), core.ServiceAccounts(), core.Secrets(), client,
		serviceaccount.TokensControllerOptions{TokenGenerator: generator, RootCA: w.rootCA})
	return func(ctx context.Context) { c.Run(ctx, workers) }, err
}

func rootCAPublisher(_ context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	core := w.shared.Core().V1()
	c, err := rootcacertpublisher.NewPublisher(core.ConfigMaps(), core.Namespaces(), client, w.rootCA)
	return func(ctx context.Context) { c.Run(ctx, 1) }, err
}

func clusterRoleAggregation(_ context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	c := clusterroleaggregation.NewClusterRoleAggregation(w.shared.Rbac().V1().ClusterRoles(), client.RbacV1())
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

// garbage follows owner references over every kind, also those of CRDs: it
// looks for new kinds each 10 s, three times as often as in production, since a
// playground's CRDs are minutes old.
func garbage(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	const sync = 10 * time.Second
	meta, err := metadata.NewForConfig(w.config("garbage-collector-controller"))
	if err != nil {
		return nil, err
	}
	c, err := garbagecollector.NewGarbageCollector(ctx, client, meta, w.mapper,
		garbagecollector.DefaultIgnoredResources(), w.all, w.started)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		w.cluster.spawn(ctx, func(ctx context.Context) { c.Sync(ctx, client.Discovery(), sync) })
		c.Run(ctx, 4*workers, sync)
	}, nil
}

// podGarbage removes the pods of Nodes that are gone. It looks every 2 s and
// doubts a missing Node for 2 s; production takes 20 s and 40 s, which would be
// most of the time of a story and teach nothing.
func podGarbage(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	const look, doubt = 2 * time.Second, 2 * time.Second
	core := w.shared.Core().V1()
	c := podgc.NewPodGCInternal(ctx, client, core.Pods(), core.Nodes(), 12500, look, doubt)
	return c.Run, nil
}

// nodeLifecycle calls a silent Node NotReady after the playground's grace and
// turns conditions into taints. Its rates are those of production except that
// it taints one Node a second, not one in ten seconds.
func nodeLifecycle(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	core := w.shared.Core().V1()
	c, err := nodelifecycle.NewNodeLifecycleController(ctx, w.shared.Coordination().V1().Leases(), core.Pods(), core.Nodes(),
		w.shared.Apps().V1().DaemonSets(), client,
		time.Second,                     // how often it looks
		time.Minute,                     // grace of a Node that has never reported
		w.cluster.opts.NodeMonitorGrace, // grace of one that has
		1, 0.01, 50, 0.55)               // taints per second: normal, in a broken zone of more than 50, from 55 % broken
	return func(ctx context.Context) { c.Run(ctx) }, err
}

func taintEviction(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	core := w.shared.Core().V1()
	c, err := tainteviction.New(ctx, client, core.Pods(), core.Nodes(), "taint-eviction-controller")
	if err != nil {
		return nil, err
	}
	return c.Run, nil
}
