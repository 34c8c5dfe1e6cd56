package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// crowd is the namespace of a crowd's pods.
const crowd = "crowd"

// writers are how many requests are made at a time.
const writers = 16

// Crowd writes that many Nodes and pods straight into the API server: a cluster of
// that size as the daemon sees it, with nobody behind the Nodes. They are of no
// pool, Ready, and full; nobody keeps them alive, so that the environment needs a
// long NodeGrace. The pods are bound as they are created.
func (e *Env) Crowd(ctx context.Context, nodes, perNode int) error {
	set, err := kubernetes.NewForConfig(e.fastConfig())
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: crowd}}
	if _, err := set.CoreV1().Namespaces().Create(ctx, space, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create namespace %s: %w", crowd, err)
	}
	return inParallel(ctx, nodes, func(i int) error {
		name := fmt.Sprintf("crowd-%05d", i)
		if _, err := set.CoreV1().Nodes().Create(ctx, crowdNode(name), metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create node %s: %w", name, err)
		}
		status, err := json.Marshal(map[string]any{"status": crowdStatus(perNode)})
		if err != nil {
			return fmt.Errorf("spell status of node %s: %w", name, err)
		}
		// A patch: the control plane has its own to say about a new Node meanwhile.
		if _, err := set.CoreV1().Nodes().PatchStatus(ctx, name, status); err != nil {
			return fmt.Errorf("write status of node %s: %w", name, err)
		}
		for j := range perNode {
			if _, err := set.CoreV1().Pods(crowd).Create(ctx, crowdPod(name, i, j), metav1.CreateOptions{}); err != nil {
				return fmt.Errorf("create pod %d on node %s: %w", j, name, err)
			}
		}
		return nil
	})
}

// inParallel does n things, several at a time, until one fails.
func inParallel(ctx context.Context, n int, do func(int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					stop(err)
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done(): // one has failed, the others are not begun
		}
	}
	close(next)
	all.Wait()
	return context.Cause(ctx)
}

func crowdNode(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
		corev1.LabelInstanceTypeStable: "VM.Standard.E5.Flex", corev1.LabelTopologyZone: "crowd",
	}}}
}

func crowdStatus(perNode int) corev1.NodeStatus {
	room := corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewMilliQuantity(int64(perNode)*100, resource.DecimalSI), corev1.ResourceMemory: resource.MustParse("64Gi"),
		corev1.ResourcePods: *resource.NewQuantity(int64(perNode), resource.DecimalSI),
	}
	now := metav1.Now()
	return corev1.NodeStatus{
		Capacity: room, Allocatable: room, NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "v1.36.3"},
		Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now},
			{Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionFalse, Reason: "Fine", LastHeartbeatTime: now, LastTransitionTime: now},
		},
	}
}

func crowdPod(node string, i, j int) *corev1.Pod {
	app, yes := fmt.Sprintf("app-%03d", (i*7+j)%300), true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%05d-%02d", app, i, j), Labels: map[string]string{"app": app, "pod-template-hash": "5d4f8c7b6d"},
		},
		Spec: corev1.PodSpec{
			NodeName: node, Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, AutomountServiceAccountToken: new(bool), EnableServiceLinks: &yes,
			Containers: []corev1.Container{{Name: "app", Image: "registry.k8s.io/pause:3.10", Resources: corev1.ResourceRequirements{Requests: ask("100m", "128Mi")}}},
		},
	}
}

// MeasurePending creates pods one after the other, each so large that it needs a
// node more, and measures for each how long the cloud took to be asked for the
// node.
func (e *Env) MeasurePending(ctx context.Context, pool string, times int) ([]time.Duration, error) {
	s := &Stage{Env: e, Figures: &Figures{}}
	large := ask("2500m", "1Gi") // of the 4 cores that a node has
	full := Workload{Name: "full", Replicas: int32(s.Size(pool)), Requests: large}
	if err := s.Deploy(ctx, full); err != nil {
		return nil, err
	}
	if err := s.Wait(ctx, "all pods to run", 2*time.Minute, s.allRun(full)); err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range times {
		before := s.Size(pool)
		begin := time.Now()
		if err := s.Deploy(ctx, Workload{Name: fmt.Sprintf("one-%03d", i), Replicas: 1, Requests: large}); err != nil {
			return nil, err
		}
		if err := s.Wait(ctx, pool+" to be resized", time.Minute, s.sizeIs(pool, before+1)); err != nil {
			return nil, fmt.Errorf("after %d pods: %w", i, err)
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}
