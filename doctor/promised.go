package doctor

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

var promisedLimits = Limits{Warn: 15,
	Source: "percent that the node has less than its pool's template; scaling plans with the template"}

var promised = Check{
	ID:       "promised-capacity",
	Title:    "the machine is as large as its pool promises",
	Unit:     "%",
	Limits:   promisedLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromCloud},
	Remedy:   "less disk: the root file system was not grown to the boot volume (oci-growfs in the pool's cloud-init); less CPU or memory: the pool's shape was changed, or the host lost some",
	Action:   ActionNone,
	Applies:  both(registered, pooled),
	Run: func(_ context.Context, p Patient) Finding {
		var have corev1.ResourceList
		for _, placement := range p.Pool.Cloud.Placements {
			if placement.Zone == p.Node.Zone() {
				have = placement.Template.Status.Capacity
			}
		}
		f, compared := pass(""), false
		var less []string
		for _, r := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			want, own := have[r], p.Node.Object.Status.Capacity[r]
			if want.IsZero() || own.IsZero() {
				continue
			}
			compared = true
			percent := (want.AsApproximateFloat64() - own.AsApproximateFloat64()) * 100 / want.AsApproximateFloat64()
			if judge(promisedLimits, percent) != Pass {
				less = append(less, fmt.Sprintf("%s %s instead of %s", r, own.String(), want.String()))
			}
		}
		switch {
		case !compared:
			return skip("NoTemplate", "the pool's template says nothing of this zone")
		case len(less) > 0:
			f.State, f.Reason, f.Message = Warn, "SmallerThanPromised", strings.Join(less, ", ")
		}
		return f
	},
}
