package scale

import (
	"context"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// record writes what the look found: each Pool's status where it differs,
// metrics, and an event for each pod whose reason is news.
func (l *Loop) record(ctx context.Context, s *world.Snapshot, plan Plan) []error {
	defer l.metrics.time("record")()
	var errs []error
	for i := range plan.Pools {
		if err := l.recordPool(ctx, &plan.Pools[i]); err != nil {
			l.metrics.errors.WithLabelValues("record").Inc()
			errs = append(errs, err)
		}
	}
	l.sayUnhelped(plan)
	l.sayStaying(plan)
	l.sayPools(plan)
	l.metrics.look(s, plan, l.Policy.withDefaults())
	return errs
}

// poolStatus is scale's part of a Pool's status.
type poolStatus struct {
	Scale      *v1alpha1.ScaleStatus `json:"scale,omitempty"`
	Conditions []metav1.Condition    `json:"conditions,omitempty"`
}

// recordPool writes scale's part of the Pool's status unless it stands there
// already. It writes nothing twice in one look.
func (l *Loop) recordPool(ctx context.Context, v *PoolVerdict) error {
	object := v.pool.Object
	if object == nil || v.recorded {
		return nil
	}
	want := poolStatus{Scale: v.Scale}
	old := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionScaleBlocked)
	if v.Reason != ScaleOff {
		status, reason, message := metav1.ConditionFalse, "CanGrow", ""
		if v.Reason != "" {
			status, reason, message = metav1.ConditionTrue, string(v.Reason), v.Message
		}
		if old != nil && v.Reason == CloudUnavailable && old.Reason == reason {
			message = old.Message // each answer of the cloud carries another request ID
		}
		c := kube.Condition(object, v1alpha1.ConditionScaleBlocked, status, reason, message)
		if old != nil && old.Status == c.Status && old.Reason == c.Reason && old.Message == c.Message {
			c.ObservedGeneration = old.ObservedGeneration // not worth a write
		}
		want.Conditions = []metav1.Condition{c}
	}
	if stands(want, object.Status.Scale, old) {
		return nil
	}
	if err := kube.ApplyPoolStatus(ctx, l.Client, object, v1alpha1.OwnerScale, &want, false); err != nil {
		return err
	}
	v.recorded = true
	return nil
}

func stands(want poolStatus, scale *v1alpha1.ScaleStatus, c *metav1.Condition) bool {
	if !apiequality.Semantic.DeepEqual(want.Scale, scale) {
		return false
	}
	if c == nil || len(want.Conditions) == 0 {
		return c == nil && len(want.Conditions) == 0
	}
	return apiequality.Semantic.DeepEqual(want.Conditions[0], *c)
}
