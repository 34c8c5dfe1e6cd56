package cycle

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Budget is a run's arithmetic in plain numbers.
type Budget struct {
	// Desired is the size without surge.
	Desired int
	// Surge is how many may exist beyond it, Unavailable how many may be missing.
	Surge, Unavailable int
	// Zones is in how many zones the pool may land.
	Zones int
}

// BudgetOf resolves a spec for a pool of this size: surge rounds up and
// unavailable down, as a Deployment's do, so that neither promises more than
// was asked for. A nil spec is one of defaults.
func BudgetOf(spec *v1alpha1.CycleSpec, desired, zones int) (Budget, error) {
	surge, unavailable := intstr.FromInt32(1), intstr.FromInt32(0)
	if spec != nil && spec.MaxSurge != nil {
		surge = *spec.MaxSurge
	}
	if spec != nil && spec.MaxUnavailable != nil {
		unavailable = *spec.MaxUnavailable
	}
	s, err := intstr.GetScaledValueFromIntOrPercent(&surge, desired, true)
	if err != nil {
		return Budget{}, fmt.Errorf("read maxSurge: %w", err)
	}
	u, err := intstr.GetScaledValueFromIntOrPercent(&unavailable, desired, false)
	if err != nil {
		return Budget{}, fmt.Errorf("read maxUnavailable: %w", err)
	}
	return Budget{Desired: desired, Surge: max(s, 0), Unavailable: max(u, 0), Zones: zones}, nil
}

// Floor is the number of available nodes that the run leaves the pool.
func (b Budget) Floor() int { return max(b.Desired-b.Unavailable, 0) }

// Ceiling is the number of machines that the run never exceeds.
func (b Budget) Ceiling() int { return b.Desired + b.Surge }

// ZoneFloor is the number of available nodes that the run leaves each zone.
func (b Budget) ZoneFloor() int {
	if b.Zones == 0 {
		return 0
	}
	return max(b.Desired/b.Zones-b.Unavailable, 0)
}

// Grow is by how many the pool's size is to be raised. size is what was asked
// of the cloud, machines are all that exist or will because of it, those on
// their way out included, and stale are nodes still to be replaced.
func (b Budget) Grow(size, machines, stale int) int {
	want := b.Desired + min(b.Surge, stale) - size
	room := b.Ceiling() - machines
	return max(min(want, room), 0)
}

// Brake is the number of broken nodes above which a common cause is likelier
// than so many broken machines; cluster-autoscaler's share of 45 %.
func (b Budget) Brake() int { return max(1, b.Unavailable, b.Desired*45/100) }
