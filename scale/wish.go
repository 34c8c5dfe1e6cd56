package scale

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/buffer"
)

// wish adds the pods that do not exist to those that wait. The snapshot is
// copied as far as it is changed. A kind that cannot be read is said and left
// out; the rest is served.
func (l *Loop) wish(ctx context.Context, s *world.Snapshot) (*world.Snapshot, []buffer.Wish) {
	if l.Wishes == nil {
		return s, nil
	}
	objects, err := l.Wishes.Read(ctx)
	if err != nil && ctx.Err() == nil {
		l.metrics.errors.WithLabelValues("wish").Inc()
		l.Log.Warn("read buffers", "verb", "scale", "error", err)
	}
	if len(objects.Requests)+len(objects.Controllers) > 0 {
		objects.Pods = allPods(s)
	}
	wishes := buffer.Read(objects, s.Now)
	return withWishes(s, wishes, l.Policy.withDefaults()), wishes
}

// withWishes is the snapshot with the virtual pods of wishes among those that
// wait.
func withWishes(s *world.Snapshot, wishes []buffer.Wish, p Policy) *world.Snapshot {
	var virtual []*corev1.Pod
	for _, w := range wishes {
		for _, pod := range w.Pods {
			// Expendable to every real pod, but never to the cutoff.
			priority := max(buffer.Priority, *p.PriorityCutoff)
			pod.Spec.Priority = &priority
			pod.Spec.SchedulerName = p.Schedulers[0]
		}
		virtual = append(virtual, w.Pods...)
	}
	if len(virtual) == 0 {
		return s
	}
	out := *s
	out.Pending = append(slices.Clone(s.Pending), virtual...)
	return &out
}

func allPods(s *world.Snapshot) []*corev1.Pod {
	out := slices.Clone(s.Pending)
	for _, p := range s.Pools {
		for _, n := range p.Nodes {
			out = append(out, n.Pods...)
		}
	}
	for _, n := range s.Unmanaged {
		out = append(out, n.Pods...)
	}
	return out
}

// grant tells each wish what became of it.
func (l *Loop) grant(ctx context.Context, s *world.Snapshot, wishes []buffer.Wish, plan Plan) []error {
	if len(wishes) == 0 {
		return nil
	}
	verdicts := map[types.UID]*Verdict{}
	for i := range plan.Verdicts {
		if v := &plan.Verdicts[i]; v.pod != nil && buffer.Owner(v.pod) != "" {
			verdicts[v.pod.UID] = v
		}
	}
	var errs []error
	for _, w := range wishes {
		o := w.Judge(func(pod *corev1.Pod) (there, coming bool, why string) {
			v := verdicts[pod.UID]
			if v == nil {
				return false, false, "it was not decided on"
			}
			switch v.Help {
			case HelpExisting:
				return true, false, ""
			case HelpNone:
				return false, false, because(string(v.Reason), v.why())
			}
			return false, true, ""
		})
		told := w.Told(o, s.Now)
		if told == nil {
			continue
		}
		if err := l.Client.Status().Update(ctx, told); client.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("tell %s: %w", w.ID(), err))
		}
	}
	return errs
}
