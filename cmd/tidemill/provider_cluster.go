package main

import (
	"context"
	"fmt"
	"slices"
	"unique"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc"
	"github.com/tidemill/tidemill/internal/kube"
)

// pluginCluster opens the way to the API server, with a cache of what is listed
// at each look.
func (g *globals) pluginCluster(ctx context.Context, f providerFlags) (*externalgrpc.Cluster, error) {
	if f.noCluster {
		return nil, nil
	}
	config, err := g.restConfig(kube.ConfigOptions{})
	if err != nil {
		return nil, err
	}
	c, err := open(ctx, config)
	if err != nil {
		return nil, err
	}
	g.oci.book.from(c.client)
	reader, err := cache.New(config, cache.Options{Scheme: c.client.Scheme(), DefaultTransform: strip})
	if err != nil {
		return nil, blind(fmt.Errorf("open cache of %s: %w", c.server, err))
	}
	if _, err := reader.GetInformer(ctx, &corev1.Node{}); err != nil {
		return nil, blind(fmt.Errorf("watch nodes: %w", err))
	}
	if _, err := reader.GetInformer(ctx, &v1alpha1.Pool{}); err != nil {
		return nil, blind(fmt.Errorf("watch pools: %w", err))
	}
	go func() { _ = reader.Start(ctx) }() // it ends with ctx and has no other error
	if !reader.WaitForCacheSync(ctx) {
		return nil, blind(fmt.Errorf("read nodes and pools of %s: %w", c.server, context.Cause(ctx)))
	}
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, blind(fmt.Errorf("open API server %s: %w", c.server, err))
	}
	sink := events.NewBroadcaster(&events.EventSinkImpl{Interface: set.EventsV1()})
	if err := sink.StartRecordingToSinkWithContext(ctx); err != nil {
		return nil, blind(fmt.Errorf("record events: %w", err))
	}
	context.AfterFunc(ctx, sink.Shutdown)
	return &externalgrpc.Cluster{Reader: reader, Client: c.client, GPULabel: f.gpuLabel, Events: kube.PlainEvents(sink.NewRecorder(c.client.Scheme(), "tidemill-provider"))}, nil
}

// strip takes off objects what nobody here reads: most of a Node is the list of
// images that it holds.
func strip(object any) (any, error) {
	if o, err := meta.Accessor(object); err == nil {
		o.SetManagedFields(nil)
	}
	if n, ok := object.(*corev1.Node); ok {
		n.Labels, n.Annotations = shared(n.Labels), shared(n.Annotations)
		n.Status.Images, n.Status.VolumesInUse, n.Status.VolumesAttached, n.Status.Addresses = nil, nil, nil, nil
		n.Status.Conditions = slices.DeleteFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type != corev1.NodeReady })
	}
	return object, nil
}

// shared is a map whose texts are kept once, however many Nodes have them: most
// labels of a Node are those of its pool.
func shared(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[unique.Make(k).Value()] = unique.Make(v).Value()
	}
	return out
}
