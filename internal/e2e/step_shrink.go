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
	small := func(ctx context.Context) (bool, string, error) {
		var text []string
		done := true
		for _, p := range s.Sim.Pools() {
			text = append(text, fmt.Sprintf("%s %d", p.Name, p.Size))
			done = done && p.Size == want[p.Name] && len(p.Nodes) == p.Size
		}
		return done, strings.Join(text, ", "), nil
	}
	if err := s.Wait(ctx, "the pools to shrink to their minimum", 3*time.Minute, small); err != nil {
		return err
	}
	if err := s.Wait(ctx, "every mark to be taken off", 30*time.Second, s.noMarks); err != nil {
		return err
	}
	if err := s.Hold(ctx, "the pools to stay at their minimum", 5*time.Second, small); err != nil {
		return err
	}
	_, now, err := small(ctx)
	s.weigh()
	s.Checked("%s; no node carries a mark, taint or cordon", now)
	return err
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

// noMarks is the probe that nothing of tidemill is left on any node.
func (s *Stage) noMarks(ctx context.Context) (bool, string, error) {
	var nodes corev1.NodeList
	if err := s.Client.List(ctx, &nodes); err != nil {
		return false, "", err
	}
	var left []string
	for i := range nodes.Items {
		left = append(left, marks(&nodes.Items[i])...)
	}
	return len(left) == 0, strings.Join(left, "; "), nil
}

// atRest waits until every node of a pool is available and as many as its size.
func (s *Stage) atRest(ctx context.Context, pool string) error {
	return s.Wait(ctx, "pool "+pool+" to be at rest", time.Minute, func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		if err != nil {
			return false, "", err
		}
		ready, size := readyNodes(nodes), s.Size(pool)
		return ready == size && len(nodes) == size, fmt.Sprintf("%d of %d nodes of %s are available, size %d", ready, len(nodes), pool, size), nil
	})
}
