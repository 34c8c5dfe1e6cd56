package playground

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// readinessKeeper does the one duty of a kubelet that kwok has no stage for.
// When a Node turns NotReady the node lifecycle controller marks its pods not
// ready; when the Node recovers, its kubelet marks them ready again. A stage of
// a pod cannot see that its Node has changed, so this watches the Nodes; and the
// pods, since that controller may mark one when its Node is well again already,
// which a kubelet sets right too.
func (c *Cluster) readinessKeeper(factory informers.SharedInformerFactory) run {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	informer := factory.Core().V1().Nodes().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			was, is := before.(*corev1.Node), after.(*corev1.Node)
			if !nodeReady(was) && nodeReady(is) {
				queue.Add(is.Name)
			}
		},
	})
	_, errPods := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, after any) {
			was, is := before.(*corev1.Pod), after.(*corev1.Pod)
			if podReady(was) && !podReady(is) && podIs(is, corev1.ContainersReady) {
				queue.Add(is.Spec.NodeName)
			}
		},
	})
	return func(ctx context.Context) {
		if err := errors.Join(err, errPods); err != nil {
			utilruntime.HandleErrorWithContext(ctx, err, "Readiness keeper has no informer")
			return
		}
		context.AfterFunc(ctx, queue.ShutDown)
		for {
			node, stop := queue.Get()
			if stop {
				return
			}
			if err := c.readyPods(ctx, node); err != nil {
				utilruntime.HandleErrorWithContext(ctx, err, "Pods not marked ready", "node", node)
				queue.AddRateLimited(node)
			} else {
				queue.Forget(node)
			}
			queue.Done(node)
		}
	}
}

func nodeReady(n *corev1.Node) bool {
	for _, condition := range n.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// readyPods marks the running pods of a Node ready if the Node is. If it is not, its
// recovery asks again.
func (c *Cluster) readyPods(ctx context.Context, node string) error {
	if n, err := c.client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("get node %s: %w", node, err)
	} else if !nodeReady(n) {
		return nil
	}
	pods, err := c.podsOn(ctx, node)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{
		"conditions": podConditions(metav1.Now(), corev1.ConditionTrue, "", corev1.ContainersReady, corev1.PodReady),
	}})
	if err != nil {
		return err
	}
	for _, pod := range pods {
		if pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil || podReady(&pod) {
			continue
		}
		_, err := c.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch,
			metav1.PatchOptions{}, "status")
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("mark pod %s/%s ready: %w", pod.Namespace, pod.Name, err)
		}
	}
	return nil
}

func podReady(p *corev1.Pod) bool { return podIs(p, corev1.PodReady) }

func podIs(p *corev1.Pod, kind corev1.PodConditionType) bool {
	for _, condition := range p.Status.Conditions {
		if condition.Type == kind {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// podsOn lists the pods bound to a Node.
func (c *Cluster) podsOn(ctx context.Context, node string) ([]corev1.Pod, error) {
	list, err := c.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", node).String(),
	})
	if err != nil {
		return nil, fmt.Errorf("list pods of node %s: %w", node, err)
	}
	return list.Items, nil
}
