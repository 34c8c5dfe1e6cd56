package main

import (
	"context"
	"sync"
	"time"

	resourcev1 "k8s.io/api/resource/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/internal/world"
)

// watchedDevices reads the objects of dynamic resource allocation from the cache.
// An informer of a kind that is not served, or may not be read, never comes to
// know anything, and would keep every look waiting and the process from being
// ready. So each kind is asked for once before it is watched, and again from time
// to time when the answer was no.
type watchedDevices struct {
	live  client.Reader
	cache cache.Cache

	mu        sync.Mutex // guards the fields below
	asked     time.Time
	away      string
	informers []cache.Informer
}

// askAgain is how long a no holds.
const askAgain = 5 * time.Minute

func (w *watchedDevices) read(ctx context.Context) world.DeviceObjects {
	if away := w.watch(ctx); away != "" {
		return world.DeviceObjects{DevicesAway: away}
	}
	return world.ListDevices(w.cache)(ctx)
}

// watch starts the informers if it can and says why there is nothing to read, ""
// when there is.
func (w *watchedDevices) watch(ctx context.Context) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.informers == nil {
		if !w.asked.IsZero() && time.Since(w.asked) < askAgain {
			return w.away
		}
		w.asked = time.Now()
		if w.away = w.start(ctx); w.away != "" {
			return w.away
		}
	}
	for _, informer := range w.informers {
		if !informer.HasSynced() {
			return "resource.k8s.io has not been read yet"
		}
	}
	return ""
}

func (w *watchedDevices) start(ctx context.Context) (away string) {
	for _, list := range []client.ObjectList{
		&resourcev1.ResourceClaimList{}, &resourcev1.ResourceClaimTemplateList{}, &resourcev1.DeviceClassList{}, &resourcev1.ResourceSliceList{},
	} {
		if err := w.live.List(ctx, list, client.Limit(1)); err != nil {
			return world.WhyNoDevices(err)
		}
	}
	var informers []cache.Informer
	for _, object := range []client.Object{
		&resourcev1.ResourceClaim{}, &resourcev1.ResourceClaimTemplate{}, &resourcev1.DeviceClass{}, &resourcev1.ResourceSlice{},
	} {
		informer, err := w.cache.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return world.WhyNoDevices(err)
		}
		informers = append(informers, informer)
	}
	w.informers = informers
	return ""
}
