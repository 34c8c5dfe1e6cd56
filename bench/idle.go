package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	engine "github.com/tidemill/tidemill/scale"
)

// idles are the workloads that look as the daemon does, again and again: through
// an Observer, at pods that an informer holds, with what the last look found out.
//
//	first_observe ms, first_decide ms   of the first look, that knows nothing
//	observe ms, decide ms               median of the looks after it
//	allocated MB                        by one of these, observing included
//	changed count                       pods that are others at each look
func idles() []workload {
	idle := func(changed int) func(context.Context, *bench, string) error {
		return func(ctx context.Context, b *bench, name string) error {
			return b.idle(ctx, name, atRest(2_000, 30), changed)
		}
	}
	return []workload{
		{"idle/2000", "2,000 nodes and 60,000 pods, nothing to do", idle(0)},
		{"idle/2000-stirred", "the same, with 600 pods that are others at each look", idle(600)},
	}
}

func (b *bench) idle(ctx context.Context, name string, w *worldtest.World, changed int) error {
	informer := settled{toolscache.NewStore(toolscache.MetaNamespaceKeyFunc)}
	for i := range w.Objects.Pods {
		if err := informer.Add(&w.Objects.Pods[i]); err != nil {
			return err
		}
	}
	fleet := cloudprovider.NewFleet(still{cloud: w.Cloud}, cloudprovider.FleetOptions{})
	o := &world.Observer{Reader: shelved{objects: &w.Objects}, Fleet: fleet, Informer: informer}
	memo := engine.NewMemo()
	var observes, decides []time.Duration
	var sizes []uint64
	for look := range looks + 1 {
		for i := range changed {
			pod := w.Objects.Pods[(i*97+look)%len(w.Objects.Pods)].DeepCopy()
			if err := informer.Update(pod); err != nil {
				return err
			}
		}
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		s, err := o.Observe(ctx)
		if err != nil {
			return err
		}
		observed := time.Now()
		if _, err := memo.Decide(s, noFuse); err != nil {
			return err
		}
		observes, decides = append(observes, observed.Sub(begin)), append(decides, time.Since(observed))
		runtime.ReadMemStats(&after)
		sizes = append(sizes, after.TotalAlloc-before.TotalAlloc)
	}
	ms := func(metric string, d time.Duration) {
		b.figure(name, metric, fmt.Sprintf("%.1f", inMilliseconds(d)), "ms")
	}
	ms("first_observe", observes[0])
	ms("first_decide", decides[0])
	ms("observe", middle(observes[1:]))
	ms("decide", middle(decides[1:]))
	b.figure(name, "allocated", fmt.Sprintf("%.1f", float64(middle(sizes[1:]))/1e6), "MB")
	b.figure(name, "changed", fmt.Sprint(changed), "count")
	return nil
}

// settled is an informer that knows all there is.
type settled struct{ toolscache.Store }

func (settled) HasSynced() bool              { return true }
func (s settled) GetStore() toolscache.Store { return s.Store }

// still is a cloud in which nothing happens.
type still struct {
	cloudprovider.Provider
	cloud cloudprovider.Cloud
}

func (s still) Pools(context.Context) ([]cloudprovider.NodePool, error) { return s.cloud.Pools, nil }

func (s still) Instances(_ context.Context, id cloudprovider.PoolID) ([]cloudprovider.Instance, error) {
	return s.cloud.Instances[id], nil
}

// shelved serves a world's objects, of the kinds that these worlds have.
type shelved struct {
	client.Reader
	objects *world.Objects
}

func (r shelved) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch l := list.(type) {
	case *v1alpha1.PoolList:
		l.Items = r.objects.Pools
	case *corev1.NodeList:
		l.Items = r.objects.Nodes
	}
	return nil
}
