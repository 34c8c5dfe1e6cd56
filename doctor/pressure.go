package doctor

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

var pressure = Check{
	ID:       "pressure",
	Title:    "disk, memory and process IDs suffice",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "the kubelet's eviction thresholds"},
	Remedy:   "find what fills the node (images, logs, emptyDir, a pod without limits): the same pods would fill the next node too",
	// EKS and Karpenter do not replace for pressure either, for that reason.
	Action: ActionNone,
	// The kubelet reclaims and evicts first; that takes minutes.
	Confirm: 5 * time.Minute,
	Gate:    true,
	Applies: registered,
	Run: func(_ context.Context, p Patient) Finding {
		var found []string
		var since time.Time
		reported := false
		for _, t := range []corev1.NodeConditionType{corev1.NodeDiskPressure, corev1.NodeMemoryPressure, corev1.NodePIDPressure} {
			c := p.Node.Condition(t)
			if c == nil {
				continue
			}
			// Unknown is the silence of the kubelet, which the ready check names.
			reported = reported || c.Status != corev1.ConditionUnknown
			if c.Status == corev1.ConditionTrue {
				found = append(found, string(t)+" since "+clock(c.LastTransitionTime.Time))
				if since.IsZero() || c.LastTransitionTime.Time.Before(since) {
					since = c.LastTransitionTime.Time
				}
			}
		}
		switch {
		case len(found) > 0:
			return Finding{State: Fail, Reason: "Pressure", Since: since, Message: strings.Join(found, ", ")}
		case !reported && p.Joining():
			return unknown(ReasonJoining, "the kubelet has not reported yet")
		case !reported && p.Node.Ready():
			// A Ready kubelet that reports no pressure conditions at all has none.
			return pass("")
		case !reported:
			return unknown("NotReported", "the kubelet reports no pressure conditions")
		}
		return pass("")
	},
}
