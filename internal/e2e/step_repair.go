package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/playground"
)

// repair stops the kubelet of a node that carries pods.
func repair(ctx context.Context, s *Stage) error {
	// A node that is let go in the same minute would be right, and hard to tell
	// from the one that is replaced.
	if err := s.tuneDown(ctx, "workers", true, time.Minute); err != nil {
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	victim, err := s.busyNode(ctx, "workers")
	if err != nil {
		return err
	}
	cloud, err := s.CloudPool("workers")
	if err != nil {
		return err
	}
	run, err := s.bounds(ctx, "workers", cloud.Size)
	if err != nil {
		return err
	}
	s.Watcher.Begin(cloud.ID, run)
	defer func() { s.Watcher.End(cloud.ID, time.Now()) }()
	if err := s.Cluster.Fault(ctx, victim.Name, playground.KubeletStopped); err != nil {
		return err
	}
	reason, err := s.named(ctx, victim.Name)
	if err != nil {
		return err
	}
	if err := s.replaced(ctx, victim, cloud.Size); err != nil {
		return err
	}
	s.Checked("node %s: tidemill doctor and the condition say %s; it was replaced, workers is at %d again, all pods run", victim.Name, reason, cloud.Size)
	return nil
}

// busyNode is the first available node of a pool that carries pods of the load.
func (s *Stage) busyNode(ctx context.Context, pool string) (*corev1.Node, error) {
	nodes, pods, err := s.NodesOf(ctx, pool)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		for j := range pods {
			if pods[j].Spec.NodeName == nodes[i].Name && pods[j].Namespace == shop && viewNode(&nodes[i]).Available() {
				return &nodes[i], nil
			}
		}
	}
	return nil, fmt.Errorf("no node of pool %s carries the load", pool)
}

// named waits until the condition stands, and asks the command about the node.
func (s *Stage) named(ctx context.Context, node string) (reason string, err error) {
	err = s.Wait(ctx, "the doctor to find node "+node, 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		var n corev1.Node
		if err := s.Client.Get(ctx, client.ObjectKey{Name: node}, &n); err != nil {
			return false, "", err
		}
		now := "node " + node + " has no condition " + v1alpha1.NodeConditionProblem
		for _, c := range n.Status.Conditions {
			if c.Type == v1alpha1.NodeConditionProblem {
				reason = c.Reason
				now = fmt.Sprintf("node %s: %s is %s (%s)", node, c.Type, c.Status, c.Reason)
				return c.Status == corev1.ConditionTrue, now, nil
			}
		}
		return false, now, nil
	})
	if err != nil {
		return "", err
	}
	out, talk, code, err := s.CLI(ctx, "doctor", node)
	if err != nil {
		return "", err
	}
	if code != 1 || !strings.Contains(out, node) || !strings.Contains(strings.ToLower(out), "ready") {
		return "", fmt.Errorf("tidemill doctor %s (exit %d) does not name the fault:\n%s%s", node, code, out, talk)
	}
	return reason, nil
}

// replaced waits until the machine is gone and the pool is whole again.
func (s *Stage) replaced(ctx context.Context, victim *corev1.Node, size int) error {
	err := s.Wait(ctx, "node "+victim.Name+" to be replaced", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, "workers")
		if err != nil {
			return false, "", err
		}
		there := "gone"
		for _, n := range nodes {
			if n.UID == victim.UID {
				there = "still there"
			}
		}
		ready := readyNodes(nodes)
		now := fmt.Sprintf("the broken node is %s; %d of %d nodes are available", there, ready, size)
		return there == "gone" && ready == size && s.Size("workers") == size, now, nil
	})
	if err != nil {
		return err
	}
	return s.Wait(ctx, "all pods to run again", 2*time.Minute, s.allRun(web))
}
