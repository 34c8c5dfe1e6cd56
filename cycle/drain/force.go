package drain

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// forceGap is the least time between two forced deletions, of all nodes together:
// a workload that is hurt gets time to show it.
const forceGap = 30 * time.Second

// force deletes one pod that the Eviction API refuses, if the user's policy says
// so: with its own grace period, when no other pod is leaving the node, and never
// one that an annotation protects or that nobody would make again.
func (d *Drainer) force(ctx context.Context, s *session, c Classes, p *Progress) {
	if !s.t.Force || len(c.Leaving) > 0 || p.Asked[Evicted] > 0 {
		return
	}
	for i, b := range p.Blocked {
		pod := podOf(c.Evictable, b)
		if pod == nil || !b.Reason.refusal() {
			continue
		}
		if !s.stands(ctx) || !d.mayForce(s.now) {
			return
		}
		err := d.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}})
		switch {
		case err == nil:
			p.Forced = append(p.Forced, b)
		case apierrors.IsForbidden(err):
			p.Blocked[i].Message += "; it would be deleted now, and may not: bind ClusterRole tidemill-force to the daemon's ServiceAccount, or choose another onTimeout"
		case !apierrors.IsNotFound(err) && !apierrors.IsConflict(err):
			p.Blocked[i].Message += "; it would be deleted now: " + err.Error()
		}
		return
	}
}

func (d *Drainer) mayForce(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.forced) < forceGap {
		return false
	}
	d.forced = now
	return true
}

func podOf(list []*corev1.Pod, b Block) *corev1.Pod {
	for _, p := range list {
		if key(p) == b.Pod {
			return p
		}
	}
	return nil
}
