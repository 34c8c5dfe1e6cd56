package playground

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
)

// freshNamespace makes a namespace for one test and deletes it after.
func freshNamespace(t *testing.T, client kubernetes.Interface) string {
	t.Helper()
	ns, err := client.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("create namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = client.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
	})
	eventually(t, func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(ns.Name).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	return ns.Name
}

func podSpec(cpu string, grace int64) corev1.PodSpec {
	return corev1.PodSpec{
		TerminationGracePeriodSeconds: &grace,
		Containers: []corev1.Container{{Name: "app", Image: "app:1", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}}},
	}
}

func deploy(t *testing.T, client kubernetes.Interface, ns string, replicas int32, spec corev1.PodSpec) {
	t.Helper()
	labels := map[string]string{"app": "web"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec}},
	}
	if _, err := client.AppsV1().Deployments(ns).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatalf("create deployment: %v", err)
	}
	eventually(t, func(ctx context.Context) error {
		d, err := client.AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
		if err == nil && d.Status.AvailableReplicas != replicas {
			err = fmt.Errorf("%d replicas available, want %d", d.Status.AvailableReplicas, replicas)
		}
		return err
	})
}

func podsOf(ctx context.Context, client kubernetes.Interface, ns string) ([]corev1.Pod, error) {
	list, err := client.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

func TestDeploymentRunsAndBudgetRefusesEviction(t *testing.T) {
	_, client := cluster(t)
	ns := freshNamespace(t, client)
	deploy(t, client, ns, 3, podSpec("10m", 1))
	pods, err := podsOf(t.Context(), client, ns)
	if err != nil {
		t.Fatal(err)
	}
	if pods[0].Status.PodIP == "" || pods[0].Status.PodIP == pods[1].Status.PodIP {
		t.Errorf("pod addresses %q and %q, want two", pods[0].Status.PodIP, pods[1].Status.PodIP)
	}
	// Pods that nobody makes again are evicted: one that stands in for the first would
	// let the second go, too, if it is there in time.
	ns = freshNamespace(t, client)
	for i := range 3 {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("web-%d", i), Labels: map[string]string{"app": "web"}}, Spec: podSpec("10m", 1)}
		if _, err := client.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: &intstr.IntOrString{IntVal: 2}, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}}
	if _, err := client.PolicyV1().PodDisruptionBudgets(ns).Create(t.Context(), budget, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		b, err := client.PolicyV1().PodDisruptionBudgets(ns).Get(ctx, "web", metav1.GetOptions{})
		if err == nil && b.Status.DisruptionsAllowed != 1 {
			err = fmt.Errorf("%d disruptions allowed, want 1", b.Status.DisruptionsAllowed)
		}
		return err
	})
	evict := func(pod string) error {
		return client.CoreV1().Pods(ns).EvictV1(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: ns}})
	}
	if err := evict("web-0"); err != nil {
		t.Errorf("first eviction: %v", err)
	}
	if err := evict("web-1"); !apierrors.IsTooManyRequests(err) {
		t.Errorf("second eviction: %v, want 429", err)
	}
}

func TestPodsTakeTheirGrace(t *testing.T) {
	_, client := cluster(t)
	ns := freshNamespace(t, client)
	create := func(name string, grace int64, annotations map[string]string) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}, Spec: podSpec("10m", grace)}
		if _, err := client.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) error {
			p, err := client.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
			if err == nil && !podReady(p) {
				err = fmt.Errorf("pod %s is %s", name, p.Status.Phase)
			}
			return err
		})
	}
	gone := func(name string) time.Duration {
		begin := time.Now()
		if err := client.CoreV1().Pods(ns).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) error {
			_, err := client.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("pod %s is still there: %w", name, err)
		})
		return time.Since(begin)
	}
	// The API server writes the end of the grace in whole seconds.
	create("stubborn", 4, nil)
	if took := gone("stubborn"); took < 2900*time.Millisecond {
		t.Errorf("a pod with 4 s of grace was gone after %v", took)
	}
	// One that stops within a second does not take all of a grace that is longer than
	// anybody here waits.
	create("obedient", 10*int64(patience.Seconds()), map[string]string{"playground.tidemill.dev/stops-in-seconds": "1"})
	gone("obedient")
}

func TestJobCompletes(t *testing.T) {
	_, client := cluster(t)
	ns := freshNamespace(t, client)
	spec := podSpec("10m", 1)
	spec.RestartPolicy = corev1.RestartPolicyNever
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "once"}, Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"playground.tidemill.dev/completes-in": "500ms"}}, Spec: spec}}}
	if _, err := client.BatchV1().Jobs(ns).Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		j, err := client.BatchV1().Jobs(ns).Get(ctx, "once", metav1.GetOptions{})
		if err == nil && j.Status.CompletionTime == nil {
			err = fmt.Errorf("job has %d active and %d succeeded", j.Status.Active, j.Status.Succeeded)
		}
		return err
	})
}

func TestSystemDaemonSetsRunEverywhere(t *testing.T) {
	_, client := cluster(t)
	eventually(t, func(ctx context.Context) error {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, name := range []string{"kube-proxy", "vcn-native-ip-cni", "csi-oci-node", "proxymux-client"} {
			d, err := client.AppsV1().DaemonSets("kube-system").Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if ready := int(d.Status.NumberReady); ready < 4 || ready != len(nodes.Items) {
				return fmt.Errorf("%s is ready on %d of %d nodes", name, ready, len(nodes.Items))
			}
		}
		d, err := client.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
		if err == nil && d.Status.AvailableReplicas != 2 {
			err = fmt.Errorf("coredns has %d replicas", d.Status.AvailableReplicas)
		}
		return err
	})
}

func TestGarbageOfADeploymentIsCollected(t *testing.T) {
	_, client := cluster(t)
	ns := freshNamespace(t, client)
	deploy(t, client, ns, 1, podSpec("10m", 0))
	if err := client.AppsV1().Deployments(ns).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		pods, err := podsOf(ctx, client, ns)
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("%d pods are left", len(pods))
		}
		return err
	})
}
