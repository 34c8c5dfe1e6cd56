package playground

import (
	"context"
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/pkg/scheduler"
)

// startScheduler runs kube-scheduler's own loop with its default profile. What
// the binary adds around it (leader election, a port, configz) is left out.
func (c *Cluster) startScheduler(ctx context.Context) error {
	config := c.as("kube-scheduler")
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("start scheduler: %w", err)
	}
	dyn, err := dynamic.NewForConfig(c.RESTConfig())
	if err != nil {
		return fmt.Errorf("start scheduler: %w", err)
	}
	broadcaster := events.NewEventBroadcasterAdapterWithContext(ctx, client)
	factory := scheduler.NewInformerFactory(client, 0)
	dynamicFactory := dynamicinformer.NewDynamicSharedInformerFactory(dyn, 0)
	recorders := func(name string) events.EventRecorderLogger { return broadcaster.NewRecorder(name) }
	sched, err := scheduler.New(ctx, client, factory, dynamicFactory, recorders, scheduler.WithKubeConfig(config))
	if err != nil {
		return fmt.Errorf("start scheduler: %w", err)
	}
	broadcaster.StartRecordingToSink(ctx.Done())
	factory.Start(ctx.Done())
	dynamicFactory.Start(ctx.Done())
	c.spawn(ctx, func(ctx context.Context) {
		defer broadcaster.Shutdown()
		factory.WaitForCacheSync(ctx.Done())
		dynamicFactory.WaitForCacheSync(ctx.Done())
		if sched.WaitForHandlersSync(ctx) == nil {
			sched.Run(ctx)
		}
	})
	return nil
}
