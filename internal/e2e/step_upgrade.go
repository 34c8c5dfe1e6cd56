package e2e

import (
	"context"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// upgrade turns the pool over while its nodes carry the load.
func upgrade(ctx context.Context, s *Stage) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	result, err := s.Turn(ctx, Turn{
		Pool: "workers", Key: v1alpha1.AnnotationUpgradeTo, Value: firstUpgrade, Version: firstUpgrade, Load: &web,
	})
	if err != nil {
		return err
	}
	s.Figures.PerNode = result.took / time.Duration(result.nodes)
	s.Figures.CallsPerNode = float64(result.calls) / float64(result.nodes)
	s.weigh()
	s.tell(result, firstUpgrade)
	return nil
}

// load makes sure that the pool carries the workload with the budget, and is at
// rest.
func (s *Stage) load(ctx context.Context) error {
	if err := s.Deploy(ctx, web); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the load to run", 2*time.Minute, s.allRun(web)); err != nil {
		return err
	}
	return s.atRest(ctx, "workers")
}

func (s *Stage) tell(r turned, version string) {
	s.Checked("%d nodes on %s, available never below %d, machines never above %d, %s's budget kept, every node emptied before its end, no mark left",
		r.nodes, version, r.seen.LeastAvailable, r.seen.MostMachines, web.Name)
}
