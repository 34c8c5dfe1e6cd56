package doctor

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// startingFor is how long a pod may wait for its sandbox and volumes.
const startingFor = 10 * time.Minute

var startingLimits = Limits{Warn: 1, Fail: 3,
	Source: "ten minutes, as image pulls are not in it; three different owners are no accident"}

var podsStarting = Check{
	ID:       "pods-starting",
	Title:    "the runtime can create pods",
	Unit:     "owners",
	Limits:   startingLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromPods},
	Remedy:   "kubectl describe the pods: a sandbox that cannot be created speaks against the node's runtime, disk or network plugin; a volume that cannot be mounted against the volume",
	// A missing Secret in three workloads looks the same from here.
	Action:  ActionNone,
	Applies: working,
	Run: func(_ context.Context, p Patient) Finding {
		var stuck []string
		own := map[types.UID]bool{}
		for _, pod := range p.Node.Pods {
			if !stuckStarting(pod, p.Now) {
				continue
			}
			stuck = append(stuck, pod.Namespace+"/"+pod.Name)
			// Only what starts elsewhere speaks against this node.
			if owner := ownerOf(pod); p.Look.starts[owner].elsewhere(p.Node.Object.Name) {
				own[owner] = true
			}
		}
		if len(stuck) == 0 {
			return pass("")
		}
		f := Finding{State: Warn, Reason: "PodsNotStarting", Observed: quantity(float64(len(own)), "owners"),
			Message: fmt.Sprintf("waiting more than %s for their sandbox or volumes: %s", startingFor, some(stuck))}
		if judge(startingLimits, float64(len(own))) == Fail {
			f.State, f.Reason = Fail, "PodsStartElsewhere"
			f.Message += "; their like start on other nodes"
		}
		return f
	},
}

// stuckStarting is a pod whose sandbox, network and volumes have not come
// together in time. The kubelet dates that itself.
func stuckStarting(pod *corev1.Pod, now time.Time) bool {
	if pod.Status.Phase != corev1.PodPending || pod.DeletionTimestamp != nil {
		return false
	}
	c := podCondition(pod, corev1.PodReadyToStartContainers)
	return c != nil && c.Status == corev1.ConditionFalse && now.Sub(c.LastTransitionTime.Time) > startingFor
}

// some lists the first names of many.
func some(names []string) string {
	const shown = 3
	text := ""
	for i, n := range names {
		if i == shown {
			return text + fmt.Sprintf(" and %d more", len(names)-shown)
		}
		if i > 0 {
			text += ", "
		}
		text += n
	}
	return text
}
