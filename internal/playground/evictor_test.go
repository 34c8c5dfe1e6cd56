package playground

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/internal/okesim"
)

// OKE's own eviction is a real one: a budget holds it up, and the machine stays until the budget lets go.
func TestOKEEvictsBeforeItDeletes(t *testing.T) {
	c, client := cluster(t)
	id := pool(t, c, "evicted", 1)
	node := nodesOf(t, c, "evicted", 1)[0]
	ns := freshNamespace(t, client)
	spec := podSpec("10m", 1)
	spec.NodeSelector = map[string]string{corev1.LabelHostname: node.Labels[corev1.LabelHostname]}
	deploy(t, client, ns, 1, spec)
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: &intstr.IntOrString{IntVal: 1}, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}}
	if _, err := client.PolicyV1().PodDisruptionBudgets(ns).Create(t.Context(), budget, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		b, err := client.PolicyV1().PodDisruptionBudgets(ns).Get(ctx, "web", metav1.GetOptions{})
		if err == nil && (b.Status.ObservedGeneration == 0 || b.Status.DisruptionsAllowed != 0) {
			err = fmt.Errorf("%d disruptions allowed, want 0", b.Status.DisruptionsAllowed)
		}
		return err
	})

	failed, err := c.Sim().DeleteNodeAfterEviction(id, node.Spec.ProviderID, true, 2*time.Second, false)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func(context.Context) error {
		if w, err := c.Sim().WorkRequest(failed); err != nil || w.Status != "FAILED" {
			return fmt.Errorf("work request %s, %w", w.Status, err)
		}
		return nil
	})
	if n, err := client.CoreV1().Nodes().Get(t.Context(), node.Name, metav1.GetOptions{}); err != nil || !n.Spec.Unschedulable {
		t.Errorf("after a failed eviction the Node must be there and cordoned: %v", err)
	}
	if pods, err := podsOf(t.Context(), client, ns); err != nil || len(pods) != 1 || pods[0].DeletionTimestamp != nil {
		t.Errorf("pods %d, %v: the budget did not hold", len(pods), err)
	}

	if _, err := c.Sim().DeleteNodeAfterEviction(id, node.Spec.ProviderID, true, time.Minute, false); err != nil {
		t.Fatal(err)
	}
	if err := client.PolicyV1().PodDisruptionBudgets(ns).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	nodesOf(t, c, "evicted", 0)
}

// A reboot by OKE and its own cycling show on the Node: another boot ID, another version, and no mark is left.
func TestOKERebootsAndCycles(t *testing.T) {
	c, client := cluster(t)
	id := pool(t, c, "cycled", 1)
	before := nodesOf(t, c, "cycled", 1)[0]
	image, err := c.Sim().NewestImage("v1.35.0", c.Sim().Pools()[0].Shape)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Sim().UpdatePool(id, poolTo(image.KubernetesVersion, image.ID), ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		n, err := client.CoreV1().Nodes().Get(ctx, before.Name, metav1.GetOptions{})
		switch {
		case err != nil:
			return err
		case n.UID != before.UID || n.Spec.ProviderID != before.Spec.ProviderID:
			t.Fatal("replacing the boot volume replaced the Node")
		case n.Status.NodeInfo.KubeletVersion != "v1.35.0" || n.Status.NodeInfo.BootID == before.Status.NodeInfo.BootID:
			return fmt.Errorf("kubelet %s, boot %s", n.Status.NodeInfo.KubeletVersion, n.Status.NodeInfo.BootID)
		case n.Spec.Unschedulable || n.Annotations[scaleDownDisabled] != "":
			return fmt.Errorf("unschedulable %v, annotations %v", n.Spec.Unschedulable, n.Annotations)
		}
		return nil
	})
}

func poolTo(version, image string) okesim.PoolUpdate {
	return okesim.PoolUpdate{KubernetesVersion: &version, ImageID: &image, Cycling: &okesim.Cycling{Modes: []string{okesim.ModeBootVolumeReplace}}}
}
