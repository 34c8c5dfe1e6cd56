package e2e

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// upgradeKilled turns the pool over once more, and the daemon loses its head when
// a third of the old nodes are gone and others are on their way out.
func upgradeKilled(ctx context.Context, s *Stage) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	var at string
	result, err := s.Turn(ctx, Turn{
		Pool: "workers", Key: v1alpha1.AnnotationUpgradeTo, Value: secondUpgrade, Version: secondUpgrade, Load: &web,
		Meanwhile: func(ctx context.Context, s *Stage, before Fleet) error {
			var err error
			if at, err = s.midway(ctx, "workers", before); err != nil {
				return err
			}
			s.Say("SIGKILL with %s", at)
			return s.killAndRestart()
		},
	})
	if err != nil {
		return err
	}
	s.Checked("killed with %s, restarted, finished", at)
	s.tell(result, secondUpgrade)
	return nil
}

// midway waits until a third of the old nodes are gone and one is being emptied.
func (s *Stage) midway(ctx context.Context, pool string, before Fleet) (at string, err error) {
	err = s.Wait(ctx, "the middle of the turn-over", 3*time.Minute, func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, pool)
		if err != nil {
			return false, "", err
		}
		now, cordoned := Fleet{}, 0
		for i := range nodes {
			now[nodes[i].Spec.ProviderID] = nodes[i].Name
			if nodes[i].Spec.Unschedulable {
				cordoned++
			}
		}
		left := before.stillIn(now)
		at = fmt.Sprintf("%d of %d old nodes left, %d of them being emptied", left, len(before), cordoned)
		return 3*left <= 2*len(before) && cordoned > 0, at, nil
	})
	return at, err
}

// killAndRestart kills the daemon and starts it again. The new process finds the
// Lease of the dead one and waits until it has run out.
func (s *Stage) killAndRestart() error {
	if err := s.Daemon.Kill(); err != nil {
		return err
	}
	return s.Daemon.Start()
}
