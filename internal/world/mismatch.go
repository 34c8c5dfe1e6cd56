package world

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Difference is one promise of a template that a node does not keep, such that a
// pod that fits the template may not fit the node.
type Difference struct {
	// What is "resource", "label" or "taint", Key its name.
	What, Key string
	// Want is the template's, Have the node's; "" is none.
	Want, Have string
}

// String says it in a few words, for a condition or a log.
func (d Difference) String() string {
	none := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	return fmt.Sprintf("%s %s: promised %s, is %s", d.What, d.Key, none(d.Want), none(d.Have))
}

// TemplateMismatch is what a registered node lacks of the template that it was
// launched for, in a fixed order; nothing if every pod that fits the template fits
// the node. Taints that pass, and what is more than was promised, do not count.
//
// It is the fuse against endless growth: a pod that fits the template and not the
// node stays pending, and would be launched for again and again.
func TemplateMismatch(template, node *corev1.Node) []Difference {
	var out []Difference
	for _, name := range slices.Sorted(maps.Keys(template.Status.Allocatable)) {
		want, have := template.Status.Allocatable[name], node.Status.Allocatable[name]
		if have.Cmp(want) < 0 {
			out = append(out, Difference{"resource", string(name), want.String(), have.String()})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(template.Labels)) {
		if have := node.Labels[key]; lastingLabel(key) && have != template.Labels[key] {
			out = append(out, Difference{"label", key, template.Labels[key], have})
		}
	}
	for _, t := range node.Spec.Taints {
		if t.Effect != corev1.TaintEffectPreferNoSchedule && LastingTaint(t) && !has(template.Spec.Taints, t) {
			out = append(out, Difference{"taint", t.Key, "", fmt.Sprintf("%s:%s", t.Value, t.Effect)})
		}
	}
	return out
}

// Mismatch is a node and how it falls short of its pool's template.
type Mismatch struct {
	Node        *Node
	Differences []Difference
}

// Mismatches are the pool's nodes, made in the last hour and of its present
// release, that are Ready and not what the template of their zone promises. With
// learning in between only what cannot be learned is left: a label or taint that
// contradicts the pool's description, or that each node has another way.
func (p *Pool) Mismatches(now time.Time) []Mismatch {
	var out []Mismatch
	for _, n := range p.Nodes {
		if n.Object == nil || n.Instance == nil || !n.Ready() || now.Sub(n.Object.CreationTimestamp.Time) > youngTo {
			continue
		}
		if image := n.Instance.Release.Image; image != "" && p.Cloud.Release.Image != "" && image != p.Cloud.Release.Image {
			continue
		}
		for i := range p.Cloud.Placements {
			if p.Cloud.Placements[i].Zone != n.Zone() {
				continue
			}
			if d := TemplateMismatch(&p.Cloud.Placements[i].Template, n.Object); len(d) > 0 {
				out = append(out, Mismatch{n, d})
			}
			break
		}
	}
	return out
}
