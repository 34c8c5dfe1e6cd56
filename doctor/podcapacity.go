package doctor

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

var capacityLimits = Limits{Warn: 90, Source: "what the scheduler counts: pods that have not ended, over status.allocatable.pods"}

var podCapacity = Check{
	ID:       "pod-capacity",
	Title:    "there is room for more pods",
	Unit:     "%",
	Limits:   capacityLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromPods},
	Remedy:   "raise the pool's maximum of pods per node (VCN-native: addresses per VNIC), or use fewer, larger pods",
	// A full node does its work.
	Action:  ActionNone,
	Applies: working,
	Run: func(_ context.Context, p Patient) Finding {
		room := p.Node.Object.Status.Allocatable.Pods().Value()
		if room <= 0 {
			return unknown("NotReported", "the node reports no allocatable pods")
		}
		used := 0
		for _, pod := range p.Node.Pods {
			if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				used++
			}
		}
		percent := float64(used) * 100 / float64(room)
		f := Finding{State: judge(capacityLimits, percent), Observed: fmt.Sprintf("%d of %d pods", used, room)}
		if f.State != Pass {
			f.Reason, f.Message = "PodsNearCapacity", fmt.Sprintf("%d of %d pods", used, room)
		}
		return f
	},
}
