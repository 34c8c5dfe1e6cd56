package e2e

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const gpuResource corev1.ResourceName = "nvidia.com/gpu"

func gpus(n int64) corev1.ResourceList {
	r := ask("1", "4Gi")
	r[gpuResource] = *resource.NewQuantity(n, resource.DecimalSI)
	return r
}

// wakeGPU asks for a GPU in a cluster that has never had one: what a node of the
// pool would look like is known from its shape alone.
func wakeGPU(ctx context.Context, s *Stage) error {
	workers, arm, gpu := s.Size("workers"), s.Size("arm"), s.Size("gpu")
	if err := s.Deploy(ctx, train); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the GPU pod to run", 2*time.Minute, s.allRun(train)); err != nil {
		return err
	}
	nodes, _, err := s.NodesOf(ctx, "gpu")
	if err != nil {
		return err
	}
	pods, err := s.Pods(ctx, train)
	if err != nil {
		return err
	}
	if len(nodes) != 1 || len(pods) != 1 || pods[0].Spec.NodeName != nodes[0].Name {
		return fmt.Errorf("%d nodes of pool gpu and %d pods: want one on the other", len(nodes), len(pods))
	}
	if s.Size("workers") != workers || s.Size("arm") != arm || s.Size("gpu") != 1 {
		return fmt.Errorf("sizes of workers, arm, gpu are %d, %d, %d: want %d, %d, 1", s.Size("workers"), s.Size("arm"), s.Size("gpu"), workers, arm)
	}
	s.Checked("gpu %d→1 from its shape alone, the pod runs on its node, no other pool grew", gpu)
	return nil
}
