package world

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Standstill is why the run under way does not raise the pool to the size that it is to
// have, "" while it does or if there is none: it has stopped for a person, OKE has the pool
// in hand, or the cloud had no room for its nodes and is asked again later. Whoever waits
// for these nodes waits for as long.
func (p *Pool) Standstill(now time.Time) string {
	run := p.Run()
	if run == nil {
		return ""
	}
	if c := meta.FindStatusCondition(p.Object.Status.Conditions, v1alpha1.ConditionCycling); c != nil && c.Status == metav1.ConditionFalse {
		return "its run has stopped: " + c.Message
	}
	if p.HandedOver() {
		return "OKE cycles the node pool itself, and it gets no other size before that is done"
	}
	if at := run.SurgeRetryAt; at != nil && now.Before(at.Time) {
		return "its run found no room for new nodes, and tries again at " + at.UTC().Format("15:04:05 UTC")
	}
	return ""
}

// HandedOver is whether OKE is cycling the node pool because a run has asked it to.
func (p *Pool) HandedOver() bool {
	run := p.Run()
	return run != nil && run.DelegatedAt != nil && p.Cloud.Health.Updating
}
