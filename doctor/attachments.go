package doctor

import (
	"context"
	"fmt"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// attachingFor is how long a volume may take to come or to go.
const attachingFor = 10 * time.Minute

var attachmentLimits = Limits{Warn: 1, Source: "VolumeAttachments with an error, or not done, ten minutes after they were wanted; the attach controller gives up on a lost node after six"}

// A block volume is attached by the cloud, in the sight of the API server alone:
// neither the kubelet nor the host can tell that one is missing.
var attachments = Check{
	ID:       "volume-attachments",
	Title:    "volumes come to the node and leave it",
	Unit:     "volumes",
	Limits:   attachmentLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromAttachments},
	Remedy:   "kubectl describe volumeattachment NAME; a volume that OCI still shows at another instance must be detached there, and a shape has a limit of volumes",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		var stuck []string
		all := 0
		for _, a := range p.Look.Snapshot.Attachments {
			if a.Spec.NodeName != p.Node.Object.Name {
				continue
			}
			all++
			if why := stuckAttachment(a, p.theirs()); why != "" {
				stuck = append(stuck, volumeOf(a)+" "+why)
			}
		}
		f := Finding{State: judge(attachmentLimits, float64(len(stuck))), Observed: fmt.Sprintf("%d of %d", len(stuck), all)}
		if f.State != Pass {
			f.Reason, f.Message = "VolumesStuck", some(stuck)
		}
		return f
	},
}

func volumeOf(a *storagev1.VolumeAttachment) string {
	if pv := a.Spec.Source.PersistentVolumeName; pv != nil {
		return *pv
	}
	return a.Name
}

// stuckAttachment is why a volume is not where it is wanted, "" while there is
// still time. An error of an attempt that was followed by a better one is not
// one.
func stuckAttachment(a *storagev1.VolumeAttachment, now time.Time) string {
	since, doing, wrong := a.CreationTimestamp, "does not come", a.Status.AttachError
	switch {
	case a.DeletionTimestamp != nil:
		since, doing, wrong = metav1.Time{Time: a.DeletionTimestamp.Time}, "does not leave", a.Status.DetachError
	case a.Status.Attached:
		return ""
	}
	if now.Sub(since.Time) < attachingFor {
		return ""
	}
	if wrong != nil && wrong.Message != "" {
		return doing + ": " + wrong.Message
	}
	return doing
}
