package doctor

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A node drops out when it is seen to, whatever its own clock says of it: three times
// are three times, and half an hour later they are forgotten.
func TestDropsAreDatedByWhoSeesThem(t *testing.T) {
	for _, off := range []time.Duration{0, -26 * time.Hour, -10 * time.Minute, 10 * time.Minute, 26 * time.Hour} {
		var s sightings
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for i := range 7 {
			status := corev1.ConditionTrue
			if i%2 == 1 {
				status = corev1.ConditionFalse
			}
			s.noteReady(&corev1.NodeCondition{Status: status, LastTransitionTime: metav1.NewTime(now.Add(off - time.Second))}, now)
			s.looked = now
			now = now.Add(time.Minute)
		}
		if len(s.drops) != 3 {
			t.Errorf("a clock %s ahead: %d drops of 3 are counted", off, len(s.drops))
		}
		s.noteReady(&corev1.NodeCondition{Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(now.Add(off - 61*time.Second))}, now.Add(flapWindow+time.Minute))
		if len(s.drops) != 0 {
			t.Errorf("a clock %s ahead: %d drops are counted long after", off, len(s.drops))
		}
	}
}
