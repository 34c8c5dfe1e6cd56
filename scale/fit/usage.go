package fit

import (
	corev1 "k8s.io/api/core/v1"
)

// Usage adds up what nodes have and what the pods on them take, in the units of
// the resources themselves: cores, bytes, pieces. Names that are not there are
// passed over.
func (c *Cluster) Usage(names []string) (have, want map[corev1.ResourceName]float64) {
	var had, used amounts
	for _, name := range names {
		n := c.nodes[name]
		if n == nil {
			continue
		}
		had.sum(n.have)
		used.sum(n.used)
	}
	return c.named(had), c.named(used)
}

func (a *amounts) sum(b amounts) {
	for len(*a) < len(b) {
		*a = append(*a, 0)
	}
	for i, n := range b {
		(*a)[i] += n
	}
}

func (c *Cluster) named(a amounts) map[corev1.ResourceName]float64 {
	out := make(map[corev1.ResourceName]float64, len(a))
	for i, n := range a {
		if out[c.names[i]] = float64(n); c.names[i] == corev1.ResourceCPU {
			out[c.names[i]] /= 1000
		}
	}
	return out
}
