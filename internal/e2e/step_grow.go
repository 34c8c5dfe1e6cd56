package e2e

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// grow deploys 60 pods for which there is not enough room.
func grow(ctx context.Context, s *Stage) error {
	need, before, err := s.nodesNeeded(ctx, web, "workers")
	if err != nil {
		return err
	}
	arm, gpu := s.Size("arm"), s.Size("gpu")
	begin := time.Now()
	if err := s.Deploy(ctx, web); err != nil {
		return err
	}
	if need > 0 {
		if err := s.Wait(ctx, "workers to be resized", time.Minute, s.sizeIsNot("workers", before)); err != nil {
			return err
		}
		s.Figures.PendingToResize = time.Since(begin)
	}
	if err := s.Wait(ctx, "all pods to run", 2*time.Minute, s.allRun(web)); err != nil {
		return err
	}
	s.Figures.PendingToRunning = time.Since(begin)
	s.weigh()
	err = s.Hold(ctx, "the pools to keep their sizes", 3*time.Second, func(context.Context) (bool, string, error) {
		now := fmt.Sprintf("workers %d→%d (%d needed), arm %d→%d, gpu %d→%d", before, s.Size("workers"), before+need, arm, s.Size("arm"), gpu, s.Size("gpu"))
		return s.Size("workers") == before+need && s.Size("arm") == arm && s.Size("gpu") == gpu, now, nil
	})
	if err != nil {
		return err
	}
	s.Checked("%d pods run, workers %d→%d as computed from allocatable, no other pool grew", web.Replicas, before, before+need)
	return nil
}

// nodesNeeded computes from what the nodes offer how many more a pool needs for
// a workload that is not deployed yet.
func (s *Stage) nodesNeeded(ctx context.Context, w Workload, pool string) (need, before int, err error) {
	nodes, pods, err := s.NodesOf(ctx, pool)
	if err != nil {
		return 0, 0, err
	}
	if len(nodes) == 0 {
		return 0, 0, fmt.Errorf("pool %s has no node to compute from", pool)
	}
	running, err := s.Running(ctx, w)
	if err != nil {
		return 0, 0, err
	}
	perNode := perNewNode(&nodes[0], pods, w.perPod())
	if perNode == 0 {
		return 0, 0, errors.New("the pods would not fit on an empty node: the story is wrong")
	}
	left := int(w.Replicas) - running - room(nodes, pods, w.perPod())
	return nodesFor(left, perNode), s.Size(pool), nil
}

func (s *Stage) sizeIsNot(pool string, size int) Probe {
	return func(context.Context) (bool, string, error) {
		now := s.Size(pool)
		return now != size, fmt.Sprintf("%s has size %d", pool, now), nil
	}
}

func (s *Stage) sizeIs(pool string, size int) Probe {
	return func(context.Context) (bool, string, error) {
		now := s.Size(pool)
		return now == size, fmt.Sprintf("%s has size %d of %d", pool, now, size), nil
	}
}
