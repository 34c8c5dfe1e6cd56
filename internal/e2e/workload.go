package e2e

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// shop is the namespace of the story's workloads.
const shop = "shop"

var one = resource.MustParse("1")

// Workload is a Deployment in the story.
type Workload struct {
	Name     string
	Replicas int32
	Requests corev1.ResourceList
	Selector map[string]string // of nodes
	Tolerate string            // key of a taint
	// Spare, if not 0, puts the workload under a PodDisruptionBudget that lets so
	// many pods be away.
	Spare int
}

func ask(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func (w Workload) labels() map[string]string { return map[string]string{"app": w.Name} }

// perPod is what one pod asks for, itself included.
func (w Workload) perPod() corev1.ResourceList {
	total := w.Requests.DeepCopy()
	total[corev1.ResourcePods] = one
	return total
}

func (w Workload) deployment() *appsv1.Deployment {
	grace, limits := int64(10), corev1.ResourceList{}
	for name, q := range w.Requests {
		if name != corev1.ResourceCPU && name != corev1.ResourceMemory {
			limits[name] = q // extended resources want both
		}
	}
	pod := corev1.PodSpec{
		TerminationGracePeriodSeconds: &grace,
		NodeSelector:                  w.Selector,
		Containers: []corev1.Container{{
			Name: "app", Image: "registry.k8s.io/pause:3.10",
			Resources: corev1.ResourceRequirements{Requests: w.Requests, Limits: limits},
		}},
	}
	if w.Tolerate != "" {
		pod.Tolerations = []corev1.Toleration{{Key: w.Tolerate, Operator: corev1.TolerationOpExists}}
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: w.Name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &w.Replicas, Selector: &metav1.LabelSelector{MatchLabels: w.labels()},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: w.labels(), Annotations: map[string]string{"playground.tidemill.dev/stops-in-seconds": "1"}},
				Spec:       pod,
			},
		},
	}
}

func (w Workload) budget() *policyv1.PodDisruptionBudget {
	spare := intstr.FromInt(w.Spare)
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: w.Name},
		Spec:       policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &spare, Selector: &metav1.LabelSelector{MatchLabels: w.labels()}},
	}
}

// Deploy creates a workload, unless it is there.
func (e *Env) Deploy(ctx context.Context, w Workload) error {
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}}, w.deployment()}
	if w.Spare > 0 {
		objects = append(objects, w.budget())
	}
	for _, o := range objects {
		if err := client.IgnoreAlreadyExists(e.Client.Create(ctx, o)); err != nil {
			return fmt.Errorf("create %s: %w", o.GetName(), err)
		}
	}
	return nil
}

// Remove deletes a workload and its budget and waits until its pods are gone.
func (e *Env) Remove(ctx context.Context, w Workload) error {
	for _, o := range []client.Object{w.deployment(), w.budget()} {
		if err := client.IgnoreNotFound(e.Client.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationBackground))); err != nil {
			return fmt.Errorf("delete %s: %w", w.Name, err)
		}
	}
	return Until(ctx, "the pods of "+w.Name+" to go", 2*time.Minute, nil, func(ctx context.Context) (bool, string, error) {
		pods, err := e.Pods(ctx, w)
		return len(pods) == 0, fmt.Sprintf("%d pods are left", len(pods)), err
	})
}

// Pods are the workload's pods.
func (e *Env) Pods(ctx context.Context, w Workload) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := e.Client.List(ctx, &list, client.InNamespace(shop), client.MatchingLabels(w.labels())); err != nil {
		return nil, fmt.Errorf("list pods of %s: %w", w.Name, err)
	}
	return list.Items, nil
}

// Running counts the workload's pods that run, are ready and stay.
func (e *Env) Running(ctx context.Context, w Workload) (int, error) {
	pods, err := e.Pods(ctx, w)
	running := 0
	for i := range pods {
		if v := viewPod(&pods[i]); v.Ready && !v.Leaving {
			running++
		}
	}
	return running, err
}

// allRun is the probe that a workload runs in full.
func (e *Env) allRun(w Workload) Probe {
	return func(ctx context.Context) (bool, string, error) {
		n, err := e.Running(ctx, w)
		return n == int(w.Replicas), fmt.Sprintf("%d of %d pods of %s run", n, w.Replicas, w.Name), err
	}
}
