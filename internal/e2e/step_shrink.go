package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// shrink takes the load away.
func shrink(ctx context.Context, s *Stage) error {
	for _, w := range []Workload{web, train, batch} {
		s.Say("removing %s", w.Name)
		if err := s.Remove(ctx, w); err != nil {
			return err
		}
	}
	for _, p := range s.Sim.Pools() {
		if err := s.tuneDown(ctx, p.Name, false, 4*time.Second); err != nil {
			return err
		}
	}
	want, err := s.minima(ctx)
	if err != nil {
		return err
	}
	small := s.shrunk(want)
	if err := s.Wait(ctx, "the pools to shrink to their minimum", 2*time.Minute, small); err != nil {
		return err
	}
	if err := s.Hold(ctx, "the pools to stay at their minimum", 5*time.Second, small); err != nil {
		return err
	}
	if err := s.Wait(ctx, "every mark to be taken off", time.Minute, s.nothingLeft(marks)); err != nil {
		return err
	}
	s.weigh()
	if err := s.noTimersWithout(ctx); err != nil {
		return err
	}
	_, now, err := small(ctx)
	s.Checked("%s, never fewer; no node carries a mark, taint or cordon, nor a timer once scale-down is off", now)
	return err
}

// shrunk is the probe that each pool has its minimum size and no machine beyond
// it. Less than the minimum is an error at once.
func (s *Stage) shrunk(want map[string]int) Probe {
	return func(context.Context) (bool, string, error) {
		var text []string
		done := true
		for _, p := range s.Sim.Pools() {
			if p.Size < want[p.Name] {
				return false, "", fmt.Errorf("pool %s has size %d, its minimum is %d", p.Name, p.Size, want[p.Name])
			}
			text = append(text, fmt.Sprintf("%s %d", p.Name, p.Size))
			done = done && p.Size == want[p.Name] && len(p.Nodes) == p.Size
		}
		return done, strings.Join(text, ", "), nil
	}
}

// noTimersWithout switches scale-down off and on again: what it has noted on
// nodes must go in between.
func (s *Stage) noTimersWithout(ctx context.Context) error {
	for _, off := range []bool{true, false} {
		for _, p := range s.Sim.Pools() {
			if err := s.tuneDown(ctx, p.Name, off, time.Minute); err != nil {
				return err
			}
		}
		if off {
			if err := s.Wait(ctx, "every timer to be taken off", time.Minute, s.nothingLeft(timers)); err != nil {
				return err
			}
		}
	}
	return nil
}

// minima are the pools' minimum sizes as their specs say.
func (s *Stage) minima(ctx context.Context) (map[string]int, error) {
	want := map[string]int{}
	for _, cloud := range s.Sim.Pools() {
		p, err := s.Pool(ctx, cloud.Name)
		if err != nil {
			return nil, err
		}
		want[cloud.Name] = cloud.Size
		if p.Spec.Scale != nil {
			want[cloud.Name] = int(p.Spec.Scale.MinSize)
		}
	}
	return want, nil
}

// nothingLeft is the probe that of does not find anything on any node.
func (s *Stage) nothingLeft(of func(*corev1.Node) []string) Probe {
	return func(ctx context.Context) (bool, string, error) {
		var nodes corev1.NodeList
		if err := s.Client.List(ctx, &nodes); err != nil {
			return false, "", err
		}
		var left []string
		for i := range nodes.Items {
			left = append(left, of(&nodes.Items[i])...)
		}
		return len(left) == 0, strings.Join(left, "; "), nil
	}
}

// atRest waits until every node of a pool is available and as many as its size.
func (s *Stage) atRest(ctx context.Context, pool string) error {
	return s.Wait(ctx, "pool "+pool+" to be at rest", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		if err != nil {
			return false, "", err
		}
		ready, size := readyNodes(nodes), s.Size(pool)
		return ready == size && len(nodes) == size, fmt.Sprintf("%d of %d nodes of %s are available, size %d", ready, len(nodes), pool, size), nil
	})
}
