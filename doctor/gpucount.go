package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

var gpuCount = Check{
	ID:       "gpu-count",
	Title:    "all GPUs of the shape can be used",
	Unit:     "GPUs",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "the number at the end of a GPU shape's name (BM.GPU.H100.8), against allocatable"},
	Remedy:   "none at all: the device plugin or the driver does not run; some: a GPU is lost, run tidemill doctor host on the node and report the host to Oracle",
	Action:   ActionNone,
	Confirm:  0,
	Applies:  working,
	Run: func(_ context.Context, p Patient) Finding {
		shape := p.Node.Object.Labels[corev1.LabelInstanceTypeStable]
		want, ok := gpusOf(shape)
		if !ok {
			return skip(ReasonNotApplicable, "the shape has no GPU")
		}
		var have int64
		for r, q := range p.Node.Object.Status.Allocatable {
			switch {
			case strings.HasPrefix(string(r), "nvidia.com/mig-"):
				return skip(ReasonNotApplicable, "the GPUs are divided (MIG)")
			case r == "nvidia.com/gpu" || r == "amd.com/gpu":
				have += q.Value()
			}
		}
		f := pass(fmt.Sprintf("%d of %d", have, want))
		switch {
		case have >= want: // more when they are shared in time slices
		case p.Joining():
			return unknown(ReasonJoining, "the driver may still be installing")
		case have == 0:
			f.State, f.Reason, f.Message = Warn, "NoGPU", fmt.Sprintf("none of the %d GPUs of %s can be used", want, shape)
		default:
			f.State, f.Reason, f.Message = Warn, "GPUMissing", fmt.Sprintf("%d of the %d GPUs of %s can be used", have, want, shape)
		}
		return f
	},
}

// gpusOf reads the number of GPUs off a shape's name.
func gpusOf(shape string) (int64, bool) {
	i := strings.LastIndex(shape, ".")
	if i < 0 || !strings.Contains(shape[:i], ".GPU") {
		return 0, false
	}
	n, err := strconv.ParseInt(shape[i+1:], 10, 64)
	return n, err == nil && n > 0 && n <= 64
}
