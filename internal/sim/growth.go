package sim

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/okesim"
)

// resizes checks the ceiling.
func (w *World) resizes(pool string, body []byte) {
	var put struct {
		NodeConfigDetails struct {
			Size *int `json:"size"`
		} `json:"nodeConfigDetails"`
	}
	if json.Unmarshal(body, &put) != nil || put.NodeConfigDetails.Size == nil {
		return
	}
	v, err := w.cloud.Pool(pool)
	p := w.poolObject(pool)
	if err != nil || p == nil {
		return
	}
	to, limit := *put.NodeConfigDetails.Size, v.Size
	if run := p.Status.Cycle; run != nil {
		limit = int(run.Desired)
	}
	if p.Spec.Scale != nil {
		limit = max(limit, int(p.Spec.Scale.MaxSize))
	}
	surge := 1
	if c := p.Spec.Cycle; c != nil && c.MaxSurge != nil {
		surge, _ = intstr.GetScaledValueFromIntOrPercent(c.MaxSurge, limit, true)
	}
	w.promise(keepCeiling, to <= max(limit+max(surge, 1), v.Size), "pool %s: size %d is asked for, at most %d and a surge of %d", p.Name, to, limit, surge)
	if run := p.Status.Cycle; run != nil && to > max(limit, v.Size) {
		w.promise(keepCeiling, w.wants(v, run), "pool %s: size %d is asked for, %d are desired and nothing is left to be replaced", p.Name, to, limit)
	}
	live := 0
	for _, n := range v.Nodes {
		if n.ID != "" && n.State != "DELETING" {
			live++
		}
	}
	w.promise(keepDrained, to >= live || to >= v.Size, "pool %s: size %d is asked for with %d machines living", p.Name, to, live)
}

// wants is whether a run has a machine left that it is to replace and has not emptied,
// or zones that are further apart than they need be.
func (w *World) wants(v okesim.PoolView, run *v1alpha1.CycleStatus) bool {
	zones := map[string]int{}
	for _, p := range v.Placements {
		zones[p.AD] = 0
	}
	for _, n := range v.Nodes {
		if n.ID == "" || n.State == "DELETING" {
			continue
		}
		zones[n.AD]++
		var node *corev1.Node
		if k := w.kubelets[n.ID]; k != nil {
			node = w.nodeOf(k)
		}
		if node == nil {
			if n.Created.Before(run.StartedAt.Time) {
				return true
			}
			continue
		}
		mark, err := kube.MarkOf(node)
		emptied := err == nil && mark != nil && mark.Drained != nil
		if !emptied && (n.Created.Before(run.StartedAt.Time) || node.Annotations[v1alpha1.AnnotationCycle] != "") {
			return true
		}
	}
	counts := slices.Collect(maps.Values(zones))
	return slices.Max(counts)-slices.Min(counts) > 1
}
