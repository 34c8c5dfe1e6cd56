package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// seen is what status reads, and the resources that whoever asks may not list.
type seen struct {
	pools  []v1alpha1.Pool
	nodes  []corev1.Node
	pods   []corev1.Pod // pending ones
	events []corev1.Event
	unseen []string
}

// look reads all that it may. Without pools there is nothing to tell; whoever may
// only view a cluster has them, and no nodes.
func look(ctx context.Context, c client.Reader) (seen, error) {
	var (
		pools  v1alpha1.PoolList
		nodes  corev1.NodeList
		pods   corev1.PodList
		events corev1.EventList
		unseen []string
	)
	for _, l := range []struct {
		name    string
		list    client.ObjectList
		options []client.ListOption
	}{
		{"pools", &pools, nil}, {"nodes", &nodes, nil},
		{"pods", &pods, []client.ListOption{client.MatchingFields{"status.phase": "Pending"}}},
		{"events", &events, []client.ListOption{client.MatchingFields{"reason": notHelped, "involvedObject.kind": "Pod"}}},
	} {
		err := c.List(ctx, l.list, l.options...)
		switch {
		case err == nil:
		case l.name != "pools" && apierrors.IsForbidden(err):
			unseen = append(unseen, l.name)
		default:
			return seen{}, fmt.Errorf("list %T: %w", l.list, err)
		}
	}
	return seen{pools.Items, nodes.Items, pods.Items, events.Items, unseen}, nil
}

// notHelped is the reason of the event that scaling leaves on a pod that it
// cannot help; cluster-autoscaler's users know it.
const notHelped = "NotTriggerScaleUp"
