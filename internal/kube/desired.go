package kube

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// CyclePart is what the owner OwnerCycle has in a Pool's status. Whoever writes
// as that owner writes all of it: what is left out is removed.
type CyclePart struct {
	Cycle      *v1alpha1.CycleStatus     `json:"cycle,omitempty"`
	LastCycle  *v1alpha1.LastCycleStatus `json:"lastCycle,omitempty"`
	Conditions []metav1.Condition        `json:"conditions,omitempty"`
}

// RaiseDesired raises the desired size of the run under way in p to a larger
// one; the run then grows the pool. It writes as the run's own owner: a second
// owner of the one field would keep it alive when the run's record goes, and
// half a record is refused. The write fails with a conflict if p has changed
// since it was read, also if the run has ended.
func RaiseDesired(ctx context.Context, c client.Client, p *v1alpha1.Pool, to int) error {
	if p.Status.Cycle == nil {
		return fmt.Errorf("raise desired size of pool %s: no run is under way", p.Name)
	}
	part := CyclePart{Cycle: p.Status.Cycle.DeepCopy(), LastCycle: p.Status.LastCycle.DeepCopy()}
	part.Cycle.Desired = max(part.Cycle.Desired, int32(to))
	if cond := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionCycling); cond != nil {
		part.Conditions = []metav1.Condition{*cond}
	}
	return ApplyPoolStatus(ctx, c, p, v1alpha1.OwnerCycle, &part, true)
}
