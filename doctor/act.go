package doctor

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

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
	for _, r := range plan.Records {
		if try("record", l.writeRecord(ctx, r)) {
			l.braked(r.Brake)
		}
	}
	for _, p := range plan.Unbrake {
		try("record", kube.ApplyPoolStatus(ctx, l.Client, p, v1alpha1.OwnerDoctor, &poolStatus{}, false))
	}
	return errs
}

// repair writes, removes or closes a request, and the attempt on the record with
// it. The patch carries the Node's resourceVersion: if anybody has marked the
// node meanwhile, nothing happens.
func (l *Loop) repair(ctx context.Context, r Repair) error {
	if r.Act == ActNone || r.Act == ActReport {
		return nil
	}
	return kube.PatchNode(ctx, l.Client, r.Node.Object, r.Change)
}

// Change is what the act does to the Node, in memory. A record that cannot be
// read stays as it is: nothing is asked for over it (see refuse).
func (r Repair) Change(n *corev1.Node) {
	now := r.Now.UTC().Truncate(time.Second)
	record, err := kube.RepairRecordOf(n)
	open := record.Open()
	switch r.Act {
	case ActRequest:
		if n.Annotations == nil {
			n.Annotations = map[string]string{}
		}
		request := kube.RepairRequest{Action: r.Action, Check: r.Check, Since: r.Since}
		n.Annotations[v1alpha1.AnnotationCycle] = request.String()
		kube.SetRepairRecord(n, append(record.Counted().Since(now.Add(-attemptWindow)), kube.RepairAttempt{Action: r.Action, Check: r.Check, At: now}))
	case ActWithdraw:
		if _, asked, _ := kube.ParseRepairRequest(n.Annotations[v1alpha1.AnnotationCycle]); asked {
			delete(n.Annotations, v1alpha1.AnnotationCycle)
			if err == nil && open != nil && open.Answer == "" { // nobody has acted on it: it was none
				kube.SetRepairRecord(n, record[:len(record)-1])
			}
		}
	case ActForget:
		if err == nil {
			kube.SetRepairRecord(n, record.Since(now.Add(-attemptWindow)))
		}
	case ActNote:
		if err == nil && open != nil {
			open.Done, open.Void = &now, open.Answer == ""
			kube.SetRepairRecord(n, record)
		}
	}
}

// writeRecord publishes the pool's brake and record if they read otherwise.
func (l *Loop) writeRecord(ctx context.Context, r PoolRecord) error {
	pool := r.Brake.Pool.Object
	want := r.status(pool)
	if want.stands(pool) {
		return nil
	}
	return kube.ApplyPoolStatus(ctx, l.Client, pool, v1alpha1.OwnerDoctor, want, false)
}
