package doctor

import (
	"context"
	"fmt"
	"time"
)

// terminatingFor is how long past its grace a pod may take to go.
const terminatingFor = 10 * time.Minute

var terminatingLimits = Limits{Warn: 1, Fail: 3,
	Source: "ten minutes past the pod's own grace; node monitors that alarm at one pod are known to be noisy"}

var podsTerminating = Check{
	ID:       "pods-terminating",
	Title:    "the runtime can end pods",
	Unit:     "pods",
	Limits:   terminatingLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromPods},
	Remedy:   "look for processes in uninterruptible sleep (a dead NFS server, a lost block volume): a restart of the machine frees them",
	// A drain would wait for the same pods.
	Action:  ActionNone,
	Applies: working,
	Run: func(_ context.Context, p Patient) Finding {
		var stuck []string
		for _, pod := range p.Node.Pods {
			// Finalizers hold the object, not the node the process.
			if pod.DeletionTimestamp == nil || len(pod.Finalizers) > 0 {
				continue
			}
			// deletionTimestamp already includes the grace.
			if p.theirs().Sub(pod.DeletionTimestamp.Time) > terminatingFor {
				stuck = append(stuck, pod.Namespace+"/"+pod.Name)
			}
		}
		f := Finding{State: judge(terminatingLimits, float64(len(stuck))), Observed: quantity(float64(len(stuck)), "pods")}
		if f.State != Pass {
			f.Reason = "PodsNotTerminating"
			f.Message = fmt.Sprintf("more than %s past their grace: %s", terminatingFor, some(stuck))
		}
		return f
	},
}
