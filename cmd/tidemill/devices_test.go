package main

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// deviceServer is an API server, and the cache before it.
type deviceServer struct {
	cache.Cache
	err     error // of a live list
	lists   int
	watched int
	synced  bool
}

func (s *deviceServer) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	for _, o := range opts {
		if o == client.Limit(1) {
			s.lists++
			return s.err
		}
	}
	if slices, ok := list.(*resourcev1.ResourceSliceList); ok {
		slices.Items = []resourcev1.ResourceSlice{{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}}
	}
	return nil
}

func (s *deviceServer) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	s.watched++
	return deviceInformer{s: s}, nil
}

type deviceInformer struct {
	toolscache.SharedIndexInformer
	s *deviceServer
}

func (i deviceInformer) HasSynced() bool { return i.s.synced }

// TestDevicesThatAreNotServed: a cluster without the kinds, or without the right
// to read them, costs one question in five minutes and keeps no look waiting;
// when they are there they are watched.
func TestDevicesThatAreNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &deviceServer{err: &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "resource.k8s.io", Kind: "ResourceClaim"}}}
		w := &watchedDevices{live: s, cache: s}
		expect := func(away string, lists, watched int) {
			t.Helper()
			got := w.read(t.Context())
			if away == "" != (got.DevicesAway == "") || !strings.Contains(got.DevicesAway, away) || s.lists != lists || s.watched != watched {
				t.Fatalf("away %q after %d questions, %d watched; want %q, %d, %d", got.DevicesAway, s.lists, s.watched, away, lists, watched)
			}
			if away == "" && len(got.ResourceSlices) != 1 {
				t.Fatalf("%d slices were read, want 1", len(got.ResourceSlices))
			}
		}
		expect("does not serve", 1, 0)
		expect("does not serve", 1, 0)
		s.err = apierrors.NewForbidden(schema.GroupResource{Group: "resource.k8s.io"}, "", nil)
		time.Sleep(askAgain)
		expect("ClusterRole", 2, 0)
		s.err = nil
		time.Sleep(askAgain)
		expect("not been read yet", 6, 4)
		s.synced = true
		expect("", 6, 4)
		expect("", 6, 4)
	})
}
