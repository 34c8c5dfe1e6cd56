package playground

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"github.com/tidemill/tidemill/internal/okesim"
)

// An evictor is what OKE's control plane does to Nodes before it takes their
// machines: it cordons and evicts on the real API server, where budgets may say
// no. tidemill empties its nodes itself and asks OKE for no grace; this is for
// whoever does not, and for OKE's own node cycling.
type evictor struct {
	cluster *Cluster
	life    context.Context // ends with the cluster; set before the cloud starts

	mu    sync.Mutex
	calls map[string]eviction // under way, by instance OCID
}

type eviction struct {
	context.Context
	stop context.CancelFunc
}

func newEvictor(c *Cluster) *evictor {
	return &evictor{cluster: c, calls: map[string]eviction{}}
}

// againEvery is how soon a refused eviction is tried again.
const againEvery = 500 * time.Millisecond

// Evict implements [okesim.Kubernetes]. A later call for the instance replaces
// an earlier one.
func (e *evictor) Evict(want okesim.Eviction) {
	ctx, cancel := context.WithTimeout(e.life, want.Grace)
	id := want.Instance.ID
	e.mu.Lock()
	if earlier, ok := e.calls[id]; ok {
		earlier.stop()
	}
	e.calls[id] = eviction{ctx, cancel}
	e.mu.Unlock()
	e.cluster.parts.Go(func() {
		defer e.forget(id, ctx, cancel)
		if err := e.empty(ctx, want.Instance); ctx.Err() == nil {
			e.cluster.sim.Evicted(id, err)
		} // else the cloud's own clock says when the grace is over
	})
}

func (e *evictor) forget(id string, ctx context.Context, cancel context.CancelFunc) {
	cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.calls[id].Context == ctx { // not replaced
		delete(e.calls, id)
	}
}

// empty cordons the instance's Node and returns when no pod is left that a
// drain has to move.
func (e *evictor) empty(ctx context.Context, i okesim.Instance) error {
	node, err := e.cluster.joiner.find(ctx, i)
	if err != nil || node == nil {
		return err
	}
	if err := e.cordon(ctx, node.Name, true); err != nil {
		return err
	}
	for {
		pods, err := e.cluster.podsOn(ctx, node.Name)
		if err != nil {
			return err
		}
		left := 0
		for _, pod := range pods {
			if !moves(pod) {
				continue
			}
			left++
			if err := e.evict(ctx, pod); err != nil {
				return err
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(againEvery):
		}
	}
}

// moves says whether a drain has to wait for the pod: not for one of a
// DaemonSet, a mirror pod, or one that has ended.
func moves(pod corev1.Pod) bool {
	if owner := metav1.GetControllerOf(&pod); owner != nil && owner.Kind == "DaemonSet" {
		return false
	}
	return pod.Annotations[corev1.MirrorPodAnnotationKey] == "" && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// evict asks once; a budget's refusal and a pod that has gone are no errors.
func (e *evictor) evict(ctx context.Context, pod corev1.Pod) error {
	if pod.DeletionTimestamp != nil {
		return nil
	}
	err := e.cluster.client.CoreV1().Pods(pod.Namespace).EvictV1(ctx, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))},
	})
	if err == nil || apierrors.IsTooManyRequests(err) || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("evict pod %s/%s: %w", pod.Namespace, pod.Name, err)
}

// Uncordon implements [okesim.Kubernetes].
func (e *evictor) Uncordon(i okesim.Instance) {
	e.patch(i, func(ctx context.Context, node string) error { return e.cordon(ctx, node, false) })
}

// scaleDownDisabled is how OKE asks autoscalers to leave the Nodes of a pool
// alone that it cycles.
const scaleDownDisabled = "cluster-autoscaler.kubernetes.io/scale-down-disabled"

// Hold implements [okesim.Kubernetes].
func (e *evictor) Hold(i okesim.Instance, hold bool) {
	var value *string
	if hold {
		value = ptr("true")
	}
	e.patch(i, func(ctx context.Context, node string) error {
		return e.cluster.patchNode(ctx, node, "annotations", scaleDownDisabled, value)
	})
}

// patch does something to the Node of an instance, if it has one by the end of
// its registration. It must not keep the cloud's courier waiting.
func (e *evictor) patch(i okesim.Instance, do func(ctx context.Context, node string) error) {
	e.cluster.parts.Go(func() {
		ctx, cancel := context.WithTimeout(e.life, 10*time.Second)
		defer cancel()
		for ctx.Err() == nil {
			node, err := e.cluster.joiner.find(ctx, i)
			if err == nil && node != nil {
				err = do(ctx, node.Name)
			}
			switch {
			case err == nil && node != nil, apierrors.IsNotFound(err):
				return
			case err != nil && ctx.Err() == nil:
				utilruntime.HandleErrorWithContext(ctx, err, "Node not patched for OKE", "instance", i.ID)
			}
			select {
			case <-ctx.Done():
			case <-time.After(againEvery):
			}
		}
	})
}

func (e *evictor) cordon(ctx context.Context, node string, cordon bool) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"unschedulable": cordon}})
	if err != nil {
		return err
	}
	if _, err := e.cluster.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("cordon node %s: %w", node, err)
	}
	return nil
}
