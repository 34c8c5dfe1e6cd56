package playground

import (
	"context"
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/okesim"
)

// pool adds a pool of its own for one test and takes it away after.
func pool(t *testing.T, c *Cluster, name string, size int) string {
	t.Helper()
	id, err := c.AddPool(okesim.Pool{Name: name, Shape: "VM.Standard.E4.Flex", OCPUs: 2, MemoryGB: 16, Size: size,
		Placements: Placements(1), Labels: map[string]string{"test": name}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Sim().DeletePool(id) })
	return id
}

// nodesOf waits until a test's pool has n ready Nodes.
func nodesOf(t *testing.T, c *Cluster, name string, n int) []corev1.Node {
	t.Helper()
	client := clientOf(t, c)
	var found []corev1.Node
	eventually(t, func(ctx context.Context) error {
		list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "test=" + name})
		if err != nil {
			return err
		}
		found = list.Items
		for _, node := range found {
			if !nodeReady(&node) || len(node.Spec.Taints) > 0 {
				return fmt.Errorf("node %s is not ready, taints %v", node.Name, node.Spec.Taints)
			}
		}
		if len(found) != n {
			return fmt.Errorf("%d nodes, want %d", len(found), n)
		}
		return nil
	})
	return found
}

func TestTerminatedInstanceTakesItsNodeAndPodsAlong(t *testing.T) {
	c, client := cluster(t)
	id := pool(t, c, "leaving", 1)
	node := nodesOf(t, c, "leaving", 1)[0]
	ns := freshNamespace(t, client)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "orphan"}, Spec: podSpec("10m", 600)}
	pod.Spec.NodeSelector = map[string]string{"test": "leaving"}
	if _, err := client.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		p, err := client.CoreV1().Pods(ns).Get(ctx, "orphan", metav1.GetOptions{})
		if err == nil && p.Spec.NodeName != node.Name {
			err = errors.New("pod is not bound")
		}
		return err
	})
	// Deleted without decrement: the pool makes another, which must be a new Node.
	if _, err := c.Sim().DeleteNode(id, node.Spec.ProviderID, false, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		n, err := client.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
		if err == nil && n.UID == node.UID {
			return errors.New("node is still there")
		}
		_, err = client.CoreV1().Pods(ns).Get(ctx, "orphan", metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("pod of the lost node is still there: %w", err)
		}
		return nil
	})
	next := nodesOf(t, c, "leaving", 1)[0]
	if next.UID == node.UID || next.Spec.ProviderID == node.Spec.ProviderID {
		t.Errorf("the replacement is the old node: %s %s", next.UID, next.Spec.ProviderID)
	}
}

func TestRefusedInstanceDoesNotJoin(t *testing.T) {
	c, client := cluster(t)
	id := pool(t, c, "refused", 0)
	c.RefuseJoins(id, true)
	size := 1
	if _, err := c.Sim().UpdatePool(id, okesim.PoolUpdate{Size: &size}, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(context.Context) error {
		view, err := c.Sim().Pool(id)
		if err == nil && (len(view.Nodes) != 1 || view.Nodes[0].State != "ACTIVE") {
			err = errors.New("instance is not active")
		}
		return err
	})
	list, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{LabelSelector: "test=refused"})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("%d nodes joined: %v", len(list.Items), err)
	}
	c.RefuseJoins(id, false)
	nodesOf(t, c, "refused", 1)
}
