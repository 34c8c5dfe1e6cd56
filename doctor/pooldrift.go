package doctor

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/world"
)

// majorityOf is the least number of like nodes that make a majority worth
// differing from: of two nodes neither is wrong.
const majorityOf = 3

// norm is what most nodes of a pool are like, by what is compared; a question
// without a majority has no entry.
type norm map[string]string

// traits are what nodes of one release have in common.
func traits(n *corev1.Node) map[string]string {
	info := n.Status.NodeInfo
	return map[string]string{
		"kernel":           info.KernelVersion,
		"operating system": info.OSImage,
		"runtime":          info.ContainerRuntimeVersion,
		"architecture":     info.Architecture,
		"pods":             n.Status.Allocatable.Pods().String(),
		"CPU":              n.Status.Capacity.Cpu().String(),
		"reserved CPU":     reserved(n, corev1.ResourceCPU),
		"reserved memory":  reserved(n, corev1.ResourceMemory),
	}
}

// reserved is capacity less allocatable: the kubelet's configuration, and not
// the few MiB by which machines of one shape differ.
func reserved(n *corev1.Node, r corev1.ResourceName) string {
	q := n.Status.Capacity[r].DeepCopy()
	q.Sub(n.Status.Allocatable[r])
	return q.String()
}

// norms finds what most nodes of each pool and kubelet version are like. Nodes
// of another version are being replaced, or the replacement.
func norms(s *world.Snapshot) map[string]norm {
	votes := map[string]map[string]map[string]int{}
	for _, pool := range s.Pools {
		for _, n := range pool.Nodes {
			if n.Object == nil {
				continue
			}
			key := normKey(pool, n.Object)
			if votes[key] == nil {
				votes[key] = map[string]map[string]int{}
			}
			for trait, v := range traits(n.Object) {
				if votes[key][trait] == nil {
					votes[key][trait] = map[string]int{}
				}
				votes[key][trait][v]++
			}
		}
	}
	out := map[string]norm{}
	for key, byTrait := range votes {
		out[key] = norm{}
		for trait, counts := range byTrait {
			all := 0
			for _, n := range counts {
				all += n
			}
			for v, n := range counts {
				if n >= majorityOf && 2*n > all {
					out[key][trait] = v
				}
			}
		}
	}
	return out
}

func normKey(pool *world.Pool, n *corev1.Node) string {
	return pool.Name + "\x00" + n.Status.NodeInfo.KubeletVersion
}

var poolDrift = Check{
	ID:       "pool-drift",
	Title:    "the node is like the others of its pool and version",
	Evidence: EvidenceLevel,
	Reads:    []Source{fromCloud},
	Limits:   Limits{Source: "more than half, and at least three, of the pool's nodes with the same kubelet version agree on something else"},
	Remedy:   "a difference that nobody wanted is ended by cycling the node: kubectl annotate node NAME tidemill.dev/cycle=drift",
	// A pool whose image or shape was changed is mixed until it has turned over.
	Action:  ActionNone,
	Applies: both(registered, pooled),
	Run: func(_ context.Context, p Patient) Finding {
		norm := p.Look.norms[normKey(p.Pool, p.Node.Object)]
		if len(norm) == 0 {
			return skip("NoMajority", "too few nodes of the pool and version to compare with")
		}
		own := traits(p.Node.Object)
		var differs []string
		for _, trait := range sortedKeys(norm) {
			if own[trait] != norm[trait] {
				differs = append(differs, fmt.Sprintf("%s is %q, most have %q", trait, own[trait], norm[trait]))
			}
		}
		if len(differs) > 0 {
			return Finding{State: Info, Reason: "DiffersFromPool", Message: strings.Join(differs, "; ")}
		}
		return pass("")
	},
}
