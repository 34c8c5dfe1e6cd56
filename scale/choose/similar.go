package choose

import (
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// How much like pools may differ, cluster-autoscaler's ratios: capacity in
// memory (hypervisors take a little of it), and what is left for pods in each
// resource.
const (
	memoryDifference      = 0.015
	allocatableDifference = 0.05
)

// incidental labels tell single nodes, places and pools apart, not kinds of
// nodes: those that begin like this.
var incidental = []string{
	corev1.LabelHostname, corev1.LabelTopologyZone, corev1.LabelTopologyRegion,
	corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion,
	"beta.kubernetes.io/fluentd-ds-ready", "displayName", "hostname", "hostname_label", "internal_addr", "last-migration-failure",
	"node.info", "oci.oraclecloud.com/fault-domain", "oci.oraclecloud.com/host.",
	"oci.oraclecloud.com/node-pool-id", "oke.oraclecloud.com/pool.name", "oke.oraclecloud.com/tenant_agent.version",
}

// Similar is whether new nodes of two pools are alike enough to be balanced
// against each other: the same capacity (memory within 1.5 %), allocatable
// within 5 %, the same taints, and the same labels save those that name a node
// or a place, and those of ignore.
func Similar(a, b *corev1.Node, ignore []string) bool {
	return sameCapacity(a.Status.Capacity, b.Status.Capacity) &&
		near(a.Status.Allocatable, b.Status.Allocatable) &&
		sameTaints(a.Spec.Taints, b.Spec.Taints) &&
		covers(a.Labels, b.Labels, ignore) && covers(b.Labels, a.Labels, ignore)
}

func sameCapacity(a, b corev1.ResourceList) bool {
	if len(a) != len(b) {
		return false
	}
	for name, x := range a {
		y, ok := b[name]
		switch {
		case !ok:
			return false
		case name == corev1.ResourceMemory:
			if !within(x.AsApproximateFloat64(), y.AsApproximateFloat64(), memoryDifference) {
				return false
			}
		case name != corev1.ResourceEphemeralStorage && x.Cmp(y) != 0:
			return false
		}
	}
	return true
}

func near(a, b corev1.ResourceList) bool {
	if len(a) != len(b) {
		return false
	}
	for name, x := range a {
		y, ok := b[name]
		if !ok || !within(x.AsApproximateFloat64(), y.AsApproximateFloat64(), allocatableDifference) {
			return false
		}
	}
	return true
}

func within(x, y, share float64) bool { return math.Abs(x-y) <= share*max(x, y) }

func sameTaints(a, b []corev1.Taint) bool {
	has := func(list []corev1.Taint, t corev1.Taint) bool {
		return slices.ContainsFunc(list, func(o corev1.Taint) bool { return o.MatchTaint(&t) && o.Value == t.Value })
	}
	for _, t := range a {
		if !has(b, t) {
			return false
		}
	}
	return len(a) == len(b)
}

func covers(a, b map[string]string, ignore []string) bool {
	for k, v := range a {
		if w, ok := b[k]; (!ok || v != w) && !slices.Contains(ignore, k) && !slices.ContainsFunc(incidental, func(p string) bool { return strings.HasPrefix(k, p) }) {
			return false
		}
	}
	return true
}

// Balance spreads n new nodes over like pools so that the sizes they end with
// differ as little as they can: each goes to the smallest that may still grow,
// the first of these. What no pool has room for is left out.
func Balance(sizes, rooms []int, n int) []int {
	out := make([]int, len(sizes))
	for range n {
		at := -1
		for i := range sizes {
			if out[i] < rooms[i] && (at < 0 || sizes[i]+out[i] < sizes[at]+out[at]) {
				at = i
			}
		}
		if at < 0 {
			break
		}
		out[at]++
	}
	return out
}
