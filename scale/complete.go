package scale

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/buffer"
)

// Complete is the snapshot and the policy that the daemon would decide with: the
// pods of buffers and of requests for room are among those that wait, and the
// priority expander has the rules of its ConfigMap in namespace, default
// kube-system. The snapshot is copied as far as it is changed.
//
// The error is all that could not be read, joined; what could be holds.
func Complete(ctx context.Context, live client.Reader, wishes *buffer.Source, namespace string, s *world.Snapshot, p Policy) (*world.Snapshot, Policy, error) {
	var errs []error
	if p.byPriority() {
		var cm corev1.ConfigMap
		err := live.Get(ctx, prioritiesKey(namespace), &cm)
		if err == nil {
			p.Priorities, err = rulesOf(&cm)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%w; all pools are equal to the priority expander", err))
		}
	}
	objects, err := wishes.Read(ctx)
	if err != nil {
		errs = append(errs, fmt.Errorf("read buffers: %w", err))
	}
	if len(objects.Requests)+len(objects.Controllers) > 0 {
		objects.Pods = allPods(s)
	}
	return withWishes(s, buffer.Read(objects, s.Now), p.withDefaults()), p, errors.Join(errs...)
}
