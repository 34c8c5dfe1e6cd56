package playground

import (
	"context"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/kubernetes/pkg/controller/daemon"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/disruption"
	"k8s.io/kubernetes/pkg/controller/endpointslice"
	"k8s.io/kubernetes/pkg/controller/job"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/statefulset"
)

// workers is how many objects a controller works on at once:
// kube-controller-manager's default.
const workers = 5

func deployments(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	apps := w.shared.Apps().V1()
	c, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), w.shared.Core().V1().Pods(), client)
	return func(ctx context.Context) { c.Run(ctx, workers) }, err
}

func replicaSets(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	c := replicaset.NewReplicaSetController(ctx, w.shared.Apps().V1().ReplicaSets(), w.shared.Core().V1().Pods(),
		client, replicaset.BurstReplicas)
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

func statefulSets(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	apps, core := w.shared.Apps().V1(), w.shared.Core().V1()
	c := statefulset.NewStatefulSetController(ctx, core.Pods(), apps.StatefulSets(),
		core.PersistentVolumeClaims(), apps.ControllerRevisions(), client)
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

func daemonSets(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	apps, core := w.shared.Apps().V1(), w.shared.Core().V1()
	c, err := daemon.NewDaemonSetsController(ctx, apps.DaemonSets(), apps.ControllerRevisions(), core.Pods(), core.Nodes(),
		client, flowcontrol.NewBackOff(time.Second, 15*time.Minute))
	return func(ctx context.Context) { c.Run(ctx, workers) }, err
}

func jobs(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	// Workloads and pod groups belong to an alpha feature that is off.
	c, err := job.NewController(ctx, client, w.shared.Core().V1().Pods(), w.shared.Batch().V1().Jobs(), nil, nil)
	return func(ctx context.Context) { c.Run(ctx, workers) }, err
}

func disruptions(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	scales, err := scale.NewForConfig(w.config("disruption-controller"), w.mapper,
		dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(client.Discovery()))
	if err != nil {
		return nil, err
	}
	apps, core := w.shared.Apps().V1(), w.shared.Core().V1()
	c := disruption.NewDisruptionController(ctx, core.Pods(), w.shared.Policy().V1().PodDisruptionBudgets(),
		core.ReplicationControllers(), apps.ReplicaSets(), apps.Deployments(), apps.StatefulSets(),
		client, w.mapper, scales, client.Discovery())
	return c.Run, nil
}

func endpointSlices(ctx context.Context, w *workshop, client *kubernetes.Clientset) (run, error) {
	core := w.shared.Core().V1()
	c := endpointslice.NewController(ctx, core.Pods(), core.Services(), core.Nodes(),
		w.shared.Discovery().V1().EndpointSlices(), 100, client, 0)
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}
