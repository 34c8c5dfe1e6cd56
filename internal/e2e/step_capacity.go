package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// outOfCapacity takes the hosts away from the pool that fits best. OKE accepts
// the larger size all the same and shows the failure later, as an entry that
// never becomes a machine.
func outOfCapacity(ctx context.Context, s *Stage) error {
	// On idle nodes of workers the pods would need no growth at all.
	if err := s.load(ctx); err != nil {
		return err
	}
	arm, err := s.CloudPool("arm")
	if err != nil {
		return err
	}
	for _, place := range arm.Placements {
		s.Sim.SetCapacity(arm.Shape, place.AD, 0)
		defer s.Sim.SetCapacity(arm.Shape, place.AD, -1)
	}
	workers := s.Size("workers")
	if err := s.Deploy(ctx, batch); err != nil {
		return err
	}
	tried := 0
	err = s.Wait(ctx, "arm to be tried", time.Minute, func(context.Context) (bool, string, error) {
		tried = s.Size("arm")
		return tried > arm.Size, fmt.Sprintf("arm has size %d", tried), nil
	})
	if err != nil {
		return err
	}
	if err := s.Wait(ctx, "all pods to run elsewhere", 2*time.Minute, s.allRun(batch)); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the failed growth to be taken back", time.Minute, s.noFailedEntry("arm", arm.Size)); err != nil {
		return err
	}
	if s.Size("workers") <= workers {
		return fmt.Errorf("workers did not grow: size %d", s.Size("workers"))
	}
	where, err := s.capacityIsExplained(ctx)
	if err != nil {
		return err
	}
	s.Checked("arm tried with %d and taken back to %d, workers %d→%d, %d pods run; the reason is in %s",
		tried, arm.Size, workers, s.Size("workers"), batch.Replicas, where)
	return nil
}

// noFailedEntry is the probe that a node pool has its old size and no entry that
// failed.
func (s *Stage) noFailedEntry(pool string, size int) Probe {
	return func(context.Context) (bool, string, error) {
		p, err := s.CloudPool(pool)
		failed := 0
		for _, n := range p.Nodes {
			if n.Error != nil {
				failed++
			}
		}
		return p.Size == size && failed == 0, fmt.Sprintf("%s has size %d of %d and %d failed entries", pool, p.Size, size, failed), err
	}
}

// capacityIsExplained looks for the reason in the three places where a person
// looks: the Pool, its events, and `tidemill status`.
func (s *Stage) capacityIsExplained(ctx context.Context) (string, error) {
	const reason = "OutOfHostCapacity"
	err := s.Wait(ctx, "Pool arm to say why it cannot grow", time.Minute, func(ctx context.Context) (bool, string, error) {
		p, err := s.Pool(ctx, "arm")
		if err != nil {
			return false, "", err
		}
		c := condition(p, v1alpha1.ConditionScaleBlocked)
		return c.Status == metav1.ConditionTrue && strings.Contains(c.Message, reason), fmt.Sprintf("its condition %s is %q, %q: %s", c.Type, c.Status, c.Reason, c.Message), nil
	})
	if err != nil {
		return "", err
	}
	var event string
	err = s.Wait(ctx, "an event about arm", time.Minute, func(ctx context.Context) (bool, string, error) {
		var list corev1.EventList
		if err := s.Client.List(ctx, &list); err != nil {
			return false, "", err
		}
		for _, e := range list.Items {
			if e.InvolvedObject.Kind == "Pool" && e.InvolvedObject.Name == "arm" && strings.Contains(e.Message, reason) {
				event = e.Reason
				return true, "", nil
			}
		}
		return false, fmt.Sprintf("%d events, none of Pool arm that names capacity", len(list.Items)), nil
	})
	if err != nil {
		return "", err
	}
	out, talk, code, err := s.CLI(ctx, "status")
	if err != nil {
		return "", err
	}
	if code != 0 || !strings.Contains(out, reason) {
		return "", fmt.Errorf("tidemill status (exit %d) does not name %s:\n%s%s", code, reason, out, talk)
	}
	return fmt.Sprintf("the Pool's condition (%s), its event (%s) and tidemill status", reason, event), nil
}
