package playground

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

func TestParseFault(t *testing.T) {
	for _, f := range Faults() {
		if got, err := ParseFault(f.String()); err != nil || got != f {
			t.Errorf("ParseFault(%q) = %v, %v", f, got, err)
		}
	}
	if len(Faults()) != 8 {
		t.Errorf("%d faults, want 8", len(Faults()))
	}
	if _, err := ParseFault("toothache"); err == nil {
		t.Error("ParseFault took an unknown fault")
	}
	if FaultUnknown.String() != "unknown" {
		t.Errorf("FaultUnknown is called %q", FaultUnknown)
	}
}

func condition(n *corev1.Node, kind corev1.NodeConditionType) corev1.ConditionStatus {
	for _, c := range n.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return ""
}

func tainted(n *corev1.Node, key string) bool {
	for _, taint := range n.Spec.Taints {
		if taint.Key == key {
			return true
		}
	}
	return false
}

// becomes waits until a node is as check wants it.
func becomes(t *testing.T, client kubernetes.Interface, node, what string, check func(*corev1.Node) bool) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		n, err := client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err == nil && !check(n) {
			err = fmt.Errorf("node is not %s: %v, taints %v", what, n.Status.Conditions, n.Spec.Taints)
		}
		return err
	})
}

// pinned creates a pod for the nodes of a test's pool.
func pinned(t *testing.T, client kubernetes.Interface, ns, name, pool string) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: podSpec("10m", 1)}
	pod.Spec.NodeSelector = map[string]string{"test": pool}
	if _, err := client.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func podBecomes(t *testing.T, client kubernetes.Interface, ns, name, what string, check func(*corev1.Pod) bool) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		p, err := client.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
		if err == nil && !check(p) {
			err = fmt.Errorf("pod is not %s: %+v", what, p.Status)
		}
		return err
	})
}

func TestStoppedKubeletIsNoticedAndForgiven(t *testing.T) {
	t.Parallel()
	c, client := cluster(t)
	pool(t, c, "silent", 1)
	node := nodesOf(t, c, "silent", 1)[0].Name
	ns := freshNamespace(t, client)
	pinned(t, client, ns, "app", "silent")
	pinned(t, client, ns, "lost", "silent")
	podBecomes(t, client, ns, "app", "ready", podReady)
	podBecomes(t, client, ns, "lost", "ready", podReady)
	do(t, c.Fault, node, KubeletStopped)
	becomes(t, client, node, "unreachable", func(n *corev1.Node) bool {
		return condition(n, corev1.NodeReady) == corev1.ConditionUnknown && tainted(n, corev1.TaintNodeUnreachable)
	})
	podBecomes(t, client, ns, "app", "not ready", func(p *corev1.Pod) bool { return !podReady(p) })
	// Nobody is there to stop a pod: it stays until somebody is.
	if err := client.CoreV1().Pods(ns).Delete(t.Context(), "lost", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	podBecomes(t, client, ns, "lost", "past its grace", func(p *corev1.Pod) bool {
		return p.DeletionTimestamp != nil && time.Since(p.DeletionTimestamp.Time) > time.Second
	})
	do(t, c.Heal, node, KubeletStopped)
	eventually(t, func(ctx context.Context) error {
		_, err := client.CoreV1().Pods(ns).Get(ctx, "lost", metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("the deleted pod is still there"), err)
		}
		return nil
	})
	becomes(t, client, node, "ready", func(n *corev1.Node) bool { return nodeReady(n) && len(n.Spec.Taints) == 0 })
	podBecomes(t, client, ns, "app", "ready again", podReady)
}

func do(t *testing.T, f func(context.Context, string, Fault) error, node string, fault Fault) {
	t.Helper()
	if err := f(t.Context(), node, fault); err != nil {
		t.Fatal(err)
	}
}

func TestConditionFaults(t *testing.T) {
	t.Parallel()
	c, client := cluster(t)
	pool(t, c, "sick", 1)
	node := nodesOf(t, c, "sick", 1)[0].Name
	// A condition of somebody else must survive what the kubelet writes.
	patch := []byte(`{"status":{"conditions":[{"type":"Teapot","status":"True"}]}}`)
	if _, err := client.CoreV1().Nodes().PatchStatus(t.Context(), node, patch); err != nil {
		t.Fatal(err)
	}
	do(t, c.Fault, node, DiskPressure)
	becomes(t, client, node, "under disk pressure", func(n *corev1.Node) bool {
		return condition(n, corev1.NodeDiskPressure) == corev1.ConditionTrue && tainted(n, corev1.TaintNodeDiskPressure)
	})
	do(t, c.Heal, node, DiskPressure)
	becomes(t, client, node, "relieved", func(n *corev1.Node) bool {
		return condition(n, corev1.NodeDiskPressure) == corev1.ConditionFalse && len(n.Spec.Taints) == 0
	})
	do(t, c.Fault, node, ReadyFlapping)
	for range 2 {
		becomes(t, client, node, "down", func(n *corev1.Node) bool { return condition(n, corev1.NodeReady) == corev1.ConditionFalse })
		becomes(t, client, node, "up", nodeReady)
	}
	do(t, c.Heal, node, ReadyFlapping)
	do(t, c.Fault, node, NotReady)
	becomes(t, client, node, "not ready", func(n *corev1.Node) bool {
		return condition(n, corev1.NodeReady) == corev1.ConditionFalse && tainted(n, corev1.TaintNodeNotReady)
	})
	do(t, c.Heal, node, NotReady)
	becomes(t, client, node, "ready with its teapot", func(n *corev1.Node) bool {
		return nodeReady(n) && condition(n, "Teapot") == corev1.ConditionTrue
	})
}

func TestPodFaults(t *testing.T) {
	t.Parallel()
	c, client := cluster(t)
	pool(t, c, "stuck", 1)
	node := nodesOf(t, c, "stuck", 1)[0].Name
	ns := freshNamespace(t, client)
	do(t, c.Fault, node, ImagePullFailing)
	pinned(t, client, ns, "pulls", "stuck")
	podBecomes(t, client, ns, "pulls", "backing off", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses
		return len(s) == 1 && s[0].State.Waiting != nil && s[0].State.Waiting.Reason == "ImagePullBackOff"
	})
	do(t, c.Heal, node, ImagePullFailing)
	podBecomes(t, client, ns, "pulls", "ready", podReady)

	do(t, c.Fault, node, PodsStuckTerminating)
	pinned(t, client, ns, "later", "stuck")
	podBecomes(t, client, ns, "later", "stuck", func(p *corev1.Pod) bool {
		return podReady(p) && p.Annotations[faultPrefix+PodsStuckTerminating.String()] != ""
	})
	for _, name := range []string{"pulls", "later"} {
		if err := client.CoreV1().Pods(ns).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	podBecomes(t, client, ns, "later", "past its grace", func(p *corev1.Pod) bool {
		return p.DeletionTimestamp != nil && time.Since(p.DeletionTimestamp.Time) > 2*time.Second
	})
	podBecomes(t, client, ns, "pulls", "past its grace", func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })
	do(t, c.Heal, node, PodsStuckTerminating)
	eventually(t, func(ctx context.Context) error {
		for _, name := range []string{"pulls", "later"} {
			if _, err := client.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				return errors.Join(fmt.Errorf("pod %s is still there", name), err)
			}
		}
		return nil
	})
}
