package doctor

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// act writes the plan. Each write stands alone: one that fails is logged, left
// out of what is recorded, and decided anew at the next look. A conflict or a
// Node that is gone is no error, since the world has moved on.
func (l *Loop) act(ctx context.Context, plan Plan) []error {
	var errs []error
	try := func(step string, err error) bool {
		if err == nil {
			return true
		}
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			l.Log.Debug("overtaken by a change", "step", step, "err", err)
			return false
		}
		l.metrics.errors.WithLabelValues(step).Inc()
		errs = append(errs, err)
		return false
	}
	// Requests first: they carry the Node's resourceVersion, and a condition that
	// was written before them would make every one of them a conflict.
	for _, r := range plan.Repairs {
		if try("repair", l.repair(ctx, r)) {
			l.repaired(r)
		}
	}
	for _, p := range plan.Publish {
		if try("publish", kube.ApplyNodeCondition(ctx, l.Client, p.Node.Object, v1alpha1.OwnerDoctor, p.Condition)) {
			l.published(p)
		}
	}
	for _, n := range plan.Drop {
		try("drop", kube.DropNodeCondition(ctx, l.Client, n.Object, v1alpha1.OwnerDoctor))
	}
	for _, b := range plan.Brakes {
		if try("brake", l.writeBrake(ctx, b)) {
			l.braked(b)
		}
	}
	for _, p := range plan.Unbrake {
		try("brake", kube.ApplyPoolStatus(ctx, l.Client, p, v1alpha1.OwnerDoctor, &brakeStatus{}, false))
	}
	return errs
}

// repair writes or removes the request. The patch carries the Node's
// resourceVersion: if anybody has marked the node meanwhile, nothing happens.
func (l *Loop) repair(ctx context.Context, r Repair) error {
	switch r.Act {
	case ActRequest:
		return kube.PatchNode(ctx, l.Client, r.Node.Object, func(n *corev1.Node) {
			if n.Annotations == nil {
				n.Annotations = map[string]string{}
			}
			n.Annotations[v1alpha1.AnnotationCycle] = requestValue(r.Check, r.Since)
		})
	case ActWithdraw:
		return kube.PatchNode(ctx, l.Client, r.Node.Object, func(n *corev1.Node) {
			if strings.HasPrefix(n.Annotations[v1alpha1.AnnotationCycle], requestPrefix) {
				delete(n.Annotations, v1alpha1.AnnotationCycle)
			}
		})
	}
	return nil
}

// brakeStatus is the doctor's part of a Pool's status.
type brakeStatus struct {
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// writeBrake publishes the pool's brake if it reads otherwise.
func (l *Loop) writeBrake(ctx context.Context, b Brake) error {
	want := kube.Condition(b.Pool.Object, v1alpha1.ConditionBraked, metav1.ConditionFalse, string(b.Reason), b.Message)
	if b.Closed {
		want = kube.Condition(b.Pool.Object, v1alpha1.ConditionBraked, metav1.ConditionTrue, string(b.Reason), b.Message)
	}
	stands := meta.FindStatusCondition(b.Pool.Object.Status.Conditions, v1alpha1.ConditionBraked)
	if stands != nil && stands.Status == want.Status && stands.Reason == want.Reason && stands.Message == want.Message {
		return nil
	}
	return kube.ApplyPoolStatus(ctx, l.Client, b.Pool.Object, v1alpha1.OwnerDoctor, &brakeStatus{[]metav1.Condition{want}}, false)
}
