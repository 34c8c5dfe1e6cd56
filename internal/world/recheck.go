package world

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/cloudprovider"
)

// A watch of Nodes may be silent for minutes, and a zone may go down in that time. So
// before a node is taken those that remain are looked at past the cache, cheaply: only
// their metadata is listed, and who has another version than was seen is read. A kubelet
// writes its Node every few minutes, so that of a large pool one or two have changed at
// any time; after a silence all have.

// Now lists the metadata of all Nodes, by UID, from live, which reads past the cache.
func Now(ctx context.Context, live client.Reader) (map[types.UID]*metav1.PartialObjectMetadata, error) {
	var nodes metav1.PartialObjectMetadataList
	nodes.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NodeList"))
	if err := live.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	out := make(map[types.UID]*metav1.PartialObjectMetadata, len(nodes.Items))
	for i, n := range nodes.Items {
		out[n.UID] = &nodes.Items[i]
	}
	return out, nil
}

// singly is how many Nodes are read one by one; all at once are cheaper than more.
const singly = 8

// StillAvailable reads anew those of the nodes that were available when they were seen
// and are not in the version of then. It returns an error that wraps
// [cloudprovider.ErrConflict] if one of them is not available any more.
func StillAvailable(ctx context.Context, live client.Reader, seen []*Node, now map[types.UID]*metav1.PartialObjectMetadata) error {
	var changed []*Node
	for _, n := range seen {
		if !n.Available() {
			continue
		}
		is, there := now[n.Object.UID]
		if !there {
			return gone(n)
		}
		if is.ResourceVersion != n.Object.ResourceVersion {
			changed = append(changed, n)
		}
	}
	read, err := reader(ctx, live, len(changed))
	if err != nil {
		return err
	}
	for _, n := range changed {
		is, err := read(n.Name())
		if err != nil {
			return err
		}
		then := *n
		if then.Object = is; is == nil || is.UID != n.Object.UID || !then.Available() {
			return gone(n)
		}
	}
	return nil
}

func gone(n *Node) error {
	return fmt.Errorf("node %s is not available any more: %w", n.Name(), cloudprovider.ErrConflict)
}

// reader reads so many Nodes by name, nil if there is none, in the way that is cheaper.
func reader(ctx context.Context, live client.Reader, count int) (func(name string) (*corev1.Node, error), error) {
	if count <= singly {
		return func(name string) (*corev1.Node, error) {
			var n corev1.Node
			err := live.Get(ctx, client.ObjectKey{Name: name}, &n)
			if apierrors.IsNotFound(err) {
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("read node %s: %w", name, err)
			}
			return &n, nil
		}, nil
	}
	var all corev1.NodeList
	if err := live.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	byName := make(map[string]*corev1.Node, len(all.Items))
	for i := range all.Items {
		byName[all.Items[i].Name] = &all.Items[i]
	}
	return func(name string) (*corev1.Node, error) { return byName[name], nil }, nil
}
