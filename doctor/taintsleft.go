package doctor

import (
	"context"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// leftAfter is how long somebody else's taint may stand before it is taken for
// forgotten: longer than any drain of theirs.
const leftAfter = time.Hour

// foreignTaints are what other controllers put on a node while they work on it,
// and what it means when it stays.
var foreignTaints = map[string]string{
	"ToBeDeletedByClusterAutoscaler":                 "a cluster-autoscaler wants to delete the node",
	"DeletionCandidateOfClusterAutoscaler":           "a cluster-autoscaler considers deleting the node",
	"oci.oraclecloud.com/node-auto-repair-scheduled": "OKE's node repair works on the node",
	"karpenter.sh/disrupted":                         "Karpenter wants to delete the node",
	"karpenter.sh/disruption":                        "Karpenter wants to delete the node",
	corev1.TaintNodeOutOfService:                     "somebody declared the node out of service",
	"node.cloudprovider.kubernetes.io/shutdown":      "the cloud controller saw the machine shut down",
	"node.cloudprovider.kubernetes.io/uninitialized": "the cloud controller has not initialised the node",
	"node.oci.oraclecloud.com/uninitialized":         "OKE has not initialised the node",
	"cluster-api.x-k8s.io/uninitialized":             "Cluster API has not initialised the node",
	"node.cilium.io/agent-not-ready":                 "Cilium does not run on the node yet",
}

var taintsLeft = Check{
	ID:       "taints-left",
	Title:    "no other controller's taint keeps pods away",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "known taints of other controllers; one older than an hour, by its own date or the node's, is taken for forgotten"},
	Remedy:   "see that the controller runs; if it is gone for good, take its taint away: kubectl taint node NAME KEY-",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		f := pass("")
		var what []string
		for _, t := range p.Node.Object.Spec.Taints {
			text, known := foreignTaints[t.Key]
			if !known || t.Effect == corev1.TaintEffectPreferNoSchedule {
				continue
			}
			at, dated := taintedAt(t)
			if !dated {
				at = p.Node.Created()
			}
			state := Info
			if p.Now.Sub(at) > leftAfter {
				state = Warn
			}
			f.State = max(f.State, state)
			if dated {
				text += " since " + clock(at)
			}
			what = append(what, t.Key+": "+text)
		}
		if len(what) > 0 {
			f.Reason, f.Message = "TaintedByOthers", strings.Join(what, "; ")
		}
		return f
	},
}

// taintedAt is when the taint was put there. The cluster-autoscaler writes the
// second into the value; others leave it to the field, which few fill.
func taintedAt(t corev1.Taint) (time.Time, bool) {
	if t.TimeAdded != nil {
		return t.TimeAdded.Time, true
	}
	if strings.HasSuffix(t.Key, "OfClusterAutoscaler") || strings.HasSuffix(t.Key, "ByClusterAutoscaler") {
		if s, err := strconv.ParseInt(t.Value, 10, 64); err == nil && s > 0 {
			return time.Unix(s, 0), true
		}
	}
	return time.Time{}, false
}

var cordoned = Check{
	ID:       "cordoned",
	Title:    "the node takes pods",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "spec.unschedulable without a mark of tidemill's"},
	Remedy:   "kubectl uncordon NAME when whoever did it is done",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		switch {
		case !p.Node.Object.Spec.Unschedulable:
			return pass("")
		case p.Node.Mark != nil && p.Node.Mark.Cordoned:
			return pass("cordoned by tidemill")
		}
		return Finding{State: Info, Reason: "CordonedByOthers", Message: "somebody has cordoned the node"}
	},
}
