package main

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// errUnreadable is a kind that may not be watched.
var errUnreadable = errors.New("the account may not list and watch it")

// partialCache reads kinds that may not be watched as empty. An informer without
// its right never fills, and whoever asks it waits for ever: one missing rule would
// be the end of all verbs. With the right the kind is read as any other, from the
// next look on.
type partialCache struct {
	cache.Cache
	scheme     *runtime.Scheme
	unreadable func(group, resource string) bool
}

// newPartialCache is for manager.Options.
func newPartialCache(h *charter) cache.NewCacheFunc {
	return func(config *rest.Config, o cache.Options) (cache.Cache, error) {
		c, err := cache.New(config, o)
		if err != nil {
			return nil, err
		}
		return &partialCache{c, o.Scheme, h.unreadable}, nil
	}
}

// List implements client.Reader.
func (p *partialCache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if _, denied := p.denied(list); denied {
		return meta.SetList(list, nil)
	}
	return p.Cache.List(ctx, list, opts...)
}

// Get implements client.Reader.
func (p *partialCache) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if resource, denied := p.denied(o); denied {
		return apierrors.NewForbidden(resource, key.Name, errUnreadable)
	}
	return p.Cache.Get(ctx, key, o, opts...)
}

// GetInformer implements cache.Informers.
func (p *partialCache) GetInformer(ctx context.Context, o client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	if resource, denied := p.denied(o); denied {
		return nil, fmt.Errorf("watch %s: %w", resource.Resource, errUnreadable)
	}
	return p.Cache.GetInformer(ctx, o, opts...)
}

// denied is the resource of an object or a list, and whether it may not be read.
func (p *partialCache) denied(o runtime.Object) (schema.GroupResource, bool) {
	gvk, err := apiutil.GVKForObject(o, p.scheme)
	if err != nil {
		return schema.GroupResource{}, false // the cache knows better what is wrong
	}
	if _, isList := o.(client.ObjectList); isList {
		gvk.Kind = gvk.Kind[:len(gvk.Kind)-len("List")]
	}
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return plural.GroupResource(), p.unreadable(plural.Group, plural.Resource)
}
