package world

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Standstill is why the run under way does not raise the pool to the size that it is to
// have, "" while it does or if there is none: it is paused, it has stopped for a person, or
// the cloud had no room for its nodes and is asked again later. Whoever waits for these
// nodes waits for as long.
func (p *Pool) Standstill(now time.Time) string {
	run := p.Run()
	if run == nil {
		return ""
	}
	if p.Paused() {
		return "the pool is paused, and with it the run that is to give it its nodes"
	}
	if c := meta.FindStatusCondition(p.Object.Status.Conditions, v1alpha1.ConditionCycling); c != nil && c.Status == metav1.ConditionFalse {
		return "its run has stopped: " + c.Message
	}
	if at := run.SurgeRetryAt; at != nil && now.Before(at.Time) {
		return "its run found no room for new nodes, and tries again at " + at.UTC().Format("15:04:05 UTC")
	}
	return ""
}
