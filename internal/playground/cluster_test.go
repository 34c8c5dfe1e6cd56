package playground

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestStarts(t *testing.T) {
	c, client := cluster(t)
	t.Logf("started in %v, RSS %s", shared.took, rss())
	eventually(t, 20*time.Second, func(ctx context.Context) error {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		ready := 0
		for _, n := range nodes.Items {
			if nodeReady(&n) && len(n.Spec.Taints) == 0 {
				ready++
			}
		}
		if ready != 4 {
			return fmt.Errorf("%d of %d nodes are ready, want 4", ready, len(nodes.Items))
		}
		return nil
	})
	t.Logf("initial nodes ready, RSS %s", rss())
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version.GitVersion != linkedKubernetes {
		t.Errorf("/version says %s, want %s", version.GitVersion, linkedKubernetes)
	}
	_ = c
}
