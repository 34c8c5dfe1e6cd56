package playground

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"

	"github.com/tidemill/tidemill/internal/okesim"
)

// A joiner is the kubelet's registration and OCI's cloud controller manager: it
// makes Nodes follow the instances of the emulated cloud. Events only say which
// instance to look at; what is done depends on the last one, so that a lost race
// with the API server is simply tried again.
type joiner struct {
	client kubernetes.Interface
	queue  workqueue.TypedRateLimitingInterface[string]

	mu      sync.Mutex
	last    map[string]okesim.Event // by instance OCID
	refused map[string]bool         // pools whose instances do not register
}

func newJoiner() *joiner {
	return &joiner{
		queue:   workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
		last:    map[string]okesim.Event{},
		refused: map[string]bool{},
	}
}

// observe is the cloud's OnEvent. It must not block.
func (j *joiner) observe(e okesim.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last[e.Instance.ID] = e
	j.queue.Add(e.Instance.ID)
}

// refuse keeps a pool's new instances from registering, or lets them.
func (j *joiner) refuse(pool string, refuse bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.refused[pool] = refuse
	for id, e := range j.last {
		if e.Instance.PoolID == pool {
			j.queue.Add(id)
		}
	}
}

func (j *joiner) run(ctx context.Context) {
	context.AfterFunc(ctx, j.queue.ShutDown)
	for {
		id, stop := j.queue.Get()
		if stop {
			return
		}
		if err := j.sync(ctx, id); err != nil {
			utilruntime.HandleErrorWithContext(ctx, err, "Instance not joined", "instance", id)
			j.queue.AddRateLimited(id)
		} else {
			j.queue.Forget(id)
		}
		j.queue.Done(id)
	}
}

// sync makes the Node of one instance what the instance's last event asks for.
func (j *joiner) sync(ctx context.Context, id string) error {
	j.mu.Lock()
	event, refused := j.last[id], j.refused[j.last[id].Instance.PoolID]
	j.mu.Unlock()
	node, err := j.find(ctx, event.Instance)
	if err != nil {
		return err
	}
	switch event.Type {
	case okesim.InstanceActive, okesim.InstanceStarted:
		if node == nil && refused {
			return nil
		}
		return j.join(ctx, node, event.Instance)
	case okesim.InstanceStopped, okesim.InstanceTerminating:
		return j.silence(ctx, node)
	case okesim.InstanceTerminated:
		return j.remove(ctx, node, id)
	}
	return nil // nothing of an instance that boots is seen by Kubernetes
}

// find is the instance's Node, nil if it has none. A Node under the same name
// that belongs to another instance is not it.
func (j *joiner) find(ctx context.Context, i okesim.Instance) (*corev1.Node, error) {
	node, err := j.client.CoreV1().Nodes().Get(ctx, i.PrivateIP, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get node %s: %w", i.PrivateIP, err)
	case node.Spec.ProviderID != i.ID:
		return nil, nil
	}
	return node, nil
}

// join registers a new Node, or lets the kubelet of one speak again: after a
// reboot, with what it booted into this time.
func (j *joiner) join(ctx context.Context, node *corev1.Node, i okesim.Instance) error {
	if node == nil {
		_, err := j.client.CoreV1().Nodes().Create(ctx, nodeOf(i), metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("register node %s: %w", i.PrivateIP, err)
		}
		return nil
	}
	if node.Labels[kubeletLabel] == kubeletNone {
		return nil // whoever stored it speaks for it
	}
	status, err := json.Marshal(map[string]any{"status": map[string]any{"nodeInfo": nodeInfo(i)}})
	if err != nil {
		return err
	}
	nodes := j.client.CoreV1().Nodes()
	if _, err := nodes.Patch(ctx, node.Name, types.MergePatchType, status, metav1.PatchOptions{}, "status"); err != nil {
		return fmt.Errorf("report node info of %s: %w", node.Name, err)
	}
	labels, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]string{
		kubeletLabel: kubeletRunning, "node.info/kubeletVersion": minorOf(i.KubernetesVersion)}}})
	if err != nil {
		return err
	}
	_, err = nodes.Patch(ctx, node.Name, types.MergePatchType, labels, metav1.PatchOptions{})
	return err
}

// silence stops the heartbeats of a Node.
func (j *joiner) silence(ctx context.Context, node *corev1.Node) error {
	if node == nil {
		return nil
	}
	_, err := j.client.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType,
		metaPatch("labels", kubeletLabel, nil), metav1.PatchOptions{})
	return err
}

// remove deletes the Node of an instance that is gone, as the cloud controller
// manager does, and no other Node: not even one that was registered meanwhile
// under the same name.
func (j *joiner) remove(ctx context.Context, node *corev1.Node, id string) error {
	if node != nil {
		options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(node.UID))}
		err := j.client.CoreV1().Nodes().Delete(ctx, node.Name, options)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete node %s: %w", node.Name, err)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.last, id)
	return nil
}
