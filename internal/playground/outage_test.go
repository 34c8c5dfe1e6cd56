package playground

import (
	"bytes"
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// An outage ends what is under way and refuses what comes, for nodes and people
// alike; afterwards everybody finds back by himself.
func TestOutage(t *testing.T) {
	c, client := cluster(t)
	pool(t, c, "outage", 1)
	node := nodesOf(t, c, "outage", 1)[0].Name
	watch, err := client.CoreV1().Nodes().Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.Outage(true)
	defer c.Outage(false)
	for range watch.ResultChan() { // what was on its way, and then the end
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if text, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err == nil {
		t.Errorf("the API server answers: %s", text)
	}
	c.Outage(false)
	eventually(t, func(ctx context.Context) error {
		text, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil && !bytes.Equal(text, []byte("ok")) {
			t.Errorf("ready: %s", text)
		}
		return err
	})
	before := time.Now()
	becomes(t, client, node, "heard of again", func(n *corev1.Node) bool {
		lease, err := client.CoordinationV1().Leases("kube-node-lease").Get(t.Context(), n.Name, metav1.GetOptions{})
		return err == nil && lease.Spec.RenewTime != nil && lease.Spec.RenewTime.After(before) && condition(n, corev1.NodeReady) == corev1.ConditionTrue
	})
}
