package doctor

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// evictionWindow is how far back evictions count: the pods stay for long.
const evictionWindow = time.Hour

var evictionLimits = Limits{Warn: 3, Source: "pods that the kubelet ended within an hour for want of memory, disk or process IDs"}

var evictions = Check{
	ID:       "evictions",
	Title:    "the kubelet evicts nothing",
	Unit:     "pods",
	Limits:   evictionLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromPods},
	Remedy:   "kubectl describe pod names what ran out; give the pods requests that are true, or the pool a larger boot volume",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		n := 0
		for _, pod := range p.Node.Pods {
			byKubelet := pod.Status.Phase == corev1.PodFailed && pod.Status.Reason == "Evicted"
			if byKubelet && p.Now.Sub(lastSeen(pod)) < evictionWindow {
				n++
			}
		}
		f := Finding{State: judge(evictionLimits, float64(n)), Observed: quantity(float64(n), "pods")}
		if f.State != Pass {
			f.Reason, f.Message = "PodsEvicted", fmt.Sprintf("the kubelet evicted %d pods within %s", n, evictionWindow)
		}
		return f
	},
}

// lastSeen is the newest date on a pod.
func lastSeen(pod *corev1.Pod) time.Time {
	at := pod.CreationTimestamp.Time
	if s := pod.Status.StartTime; s != nil && s.After(at) {
		at = s.Time
	}
	for _, c := range pod.Status.Conditions {
		if c.LastTransitionTime.After(at) {
			at = c.LastTransitionTime.Time
		}
	}
	return at
}
