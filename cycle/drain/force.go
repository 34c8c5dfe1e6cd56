package drain

import (
	"context"
	"errors"
	"strings"
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
// one that an annotation protects or that nobody would make again. One whose
// deletion is refused as well has its turn again after all others.
func (d *Drainer) force(ctx context.Context, s *session, c Classes, p *Progress) {
	if !s.t.Force || len(c.Leaving) > 0 || p.Asked[Evicted] > 0 {
		return
	}
	tried := false
	for i, b := range p.Blocked {
		pod := podOf(c.Evictable, b)
		if pod == nil || !b.Reason.refusal() {
			continue
		}
		was := d.turnOf(s, pod)
		if !tried && s.now.Sub(was.tried) >= forceGap && s.stands(ctx) && d.mayForce(s.now) {
			tried = true
			err := d.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}})
			was.tried, was.undeleted = s.now, whyUndeleted(err)
			d.setTurn(s, pod, was)
			if !refusedDeletion(err) {
				d.spendForce(s.now)
			}
			if err == nil {
				p.Forced = append(p.Forced, b)
			}
		}
		p.Blocked[i].Message += was.undeleted
	}
}

// whyUndeleted is what is added to why a pod is there whose deletion failed.
func whyUndeleted(err error) string {
	switch {
	case err == nil, apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return ""
	case apierrors.IsForbidden(err) && !strings.Contains(err.Error(), "admission webhook"):
		return "; it would be deleted now, and may not: bind ClusterRole tidemill-force to the daemon's ServiceAccount, or choose another onTimeout"
	}
	return "; it would be deleted now: " + err.Error()
}

// refusedDeletion is whether the API server has said that it deletes nothing. A
// deletion that may have been carried out all the same takes its time from the next.
func refusedDeletion(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && (status.Status().Code/100 == 4 || strings.Contains(err.Error(), "webhook"))
}

func (d *Drainer) mayForce(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now.Sub(d.forced) >= forceGap
}

func (d *Drainer) spendForce(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forced = now
}

func podOf(list []*corev1.Pod, b Block) *corev1.Pod {
	for _, p := range list {
		if key(p) == b.Pod {
			return p
		}
	}
	return nil
}
