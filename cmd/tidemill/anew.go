package main

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// noticedWithin is how long the daemon gets to see that an annotation is off: it is
// woken by that, and looks every ten seconds in any case.
const noticedWithin = 30 * time.Second

// reopen makes room for a version that is asked for once more. It has no other value,
// so that an annotation that stands and was answered says nothing new: what was refused
// a month ago would stay refused, and what was rolled back could not be tried again. So
// it is taken off first, and set again when the daemon has seen that.
func (g *globals) reopen(ctx context.Context, c client.Client, target client.Object, key, value string) error {
	pool, ok := target.(*v1alpha1.Pool)
	if !ok || key != v1alpha1.AnnotationUpgradeTo || !answered(pool, key, value) {
		return nil
	}
	if pool.Annotations[key] == value {
		if err := unask(ctx, c, pool, key); err != nil {
			return err
		}
	}
	for end := time.Now().Add(noticedWithin); ; {
		if err := c.Get(ctx, client.ObjectKeyFromObject(pool), pool); err != nil {
			return fmt.Errorf("get pool %s: %w", pool.Name, err)
		}
		switch {
		case !answered(pool, key, value):
			return nil
		case time.Now().After(end):
			return &failure{exitNo, fmt.Errorf("%s=%s of pool %s was answered before, and no daemon has seen in %s that it is taken off", key, value, pool.Name, noticedWithin),
				[]string{"does the daemon run? kubectl -n tidemill-system get pods; then ask again"}}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// answered is whether the pool's request is one that the daemon does not take up.
func answered(pool *v1alpha1.Pool, key, value string) bool {
	return (&world.Pool{Object: pool}).Answered(key, value)
}
