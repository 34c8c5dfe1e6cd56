package cycle

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// difference is a field in which a node is not what its pool makes now.
type difference struct {
	field   v1alpha1.DriftField
	message string
}

// releaseDrift are the differences that every kind of request looks at: what a
// new machine would boot instead.
func releaseDrift(n *world.Node, want cloudprovider.Release) []difference {
	var out []difference
	if have := n.Kubernetes(); have != "" && want.Kubernetes != "" && have != want.Kubernetes {
		out = append(out, difference{v1alpha1.DriftKubernetes, fmt.Sprintf("kubernetes %s → %s", have, want.Kubernetes)})
	}
	if n.Instance != nil && n.Instance.Release.Image != "" && want.Image != "" && n.Instance.Release.Image != want.Image {
		out = append(out, difference{v1alpha1.DriftImage, fmt.Sprintf("image %s → %s", imageName(n.Instance.Release), imageName(want))})
	}
	return out
}

// configDrift are the differences in what a pool says beside its release. A
// field that is not known on both sides does not differ.
func configDrift(n *world.Node, pool cloudprovider.NodePool) []difference {
	var out []difference
	add := func(f v1alpha1.DriftField, name, have, want string) {
		if have != want {
			out = append(out, difference{f, fmt.Sprintf("%s %s → %s", name, said(have), said(want))})
		}
	}
	if n.Object != nil {
		if have := n.Object.Labels[corev1.LabelInstanceTypeStable]; have != "" && pool.Shape != "" {
			add(v1alpha1.DriftShape, "shape", have, pool.Shape)
		}
		for _, key := range poolLabels(pool) {
			add(v1alpha1.DriftLabels, "label "+key, n.Object.Labels[key], pool.Placements[0].Template.Labels[key])
		}
	}
	if n.Instance == nil {
		return out
	}
	for _, f := range []v1alpha1.DriftField{v1alpha1.DriftShape, v1alpha1.DriftMetadata, v1alpha1.DriftBootVolume} {
		have, a := n.Instance.Settings[string(f)]
		want, b := pool.Settings[string(f)]
		if a && b {
			add(f, string(f), have, want)
		}
	}
	return out
}

func said(v string) string {
	if v == "" {
		return "(none)"
	}
	return v
}

// poolLabels are the keys of the labels that a user gave the pool's nodes: what
// all placements have alike, without what the kubelet and the cloud set.
func poolLabels(pool cloudprovider.NodePool) []string {
	if len(pool.Placements) == 0 {
		return nil
	}
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(pool.Placements[0].Template.Labels)) {
		domain, _, _ := strings.Cut(key, "/")
		theirs := domain == "kubernetes.io" || strings.HasPrefix(domain, "node.info") || strings.HasSuffix(domain, ".kubernetes.io") || strings.HasSuffix(domain, "k8s.io") ||
			strings.HasSuffix(domain, "oraclecloud.com") || !strings.Contains(key, "/") && slices.Contains([]string{"hostname", "displayName", "internal_addr", "name"}, key)
		same := !slices.ContainsFunc(pool.Placements, func(p cloudprovider.Placement) bool {
			return p.Template.Labels[key] != pool.Placements[0].Template.Labels[key]
		})
		if !theirs && same {
			keys = append(keys, key)
		}
	}
	return keys
}

// drift says in which fields a node differs from what the pool gives new ones,
// "" if in none that counts in mode Auto.
func (d *decision) drift(n *world.Node) string {
	spec := &v1alpha1.DriftSpec{}
	if s := d.pool.CycleSpec(); s != nil && s.Drift != nil {
		spec = s.Drift
	}
	var out []string
	if !d.bornForTarget(n) {
		for _, x := range slices.Concat(releaseDrift(n, d.pool.Cloud.Release), configDrift(n, d.pool.Cloud)) {
			if !slices.Contains(spec.Ignore, x.field) {
				out = append(out, x.message)
			}
		}
	}
	if created := d.installed(n); spec.MaxAge != nil && !created.IsZero() {
		if age, limit := d.s.Now.Sub(created), max(spec.MaxAge.Duration, time.Hour); age > limit {
			out = append(out, fmt.Sprintf("age %s → at most %s", age.Round(time.Minute), limit))
		}
	}
	return strings.Join(out, ", ")
}

// bornForTarget is whether the node was made, or renewed, for what the pool gives now,
// by a run that succeeded: then a field that differs all the same never comes out
// equal, and replacing the node again would turn the pool over for ever.
func (d *decision) bornForTarget(n *world.Node) bool {
	last := d.pool.Object.Status.LastCycle
	return last != nil && last.Outcome == Succeeded && last.Target == target(d.pool.Cloud) && !d.installed(n).Before(last.StartedAt.Time)
}

// target identifies what a pool gives new nodes.
func target(pool cloudprovider.NodePool) string {
	h := fnv.New32a()
	fmt.Fprintln(h, pool.Release.Kubernetes, pool.Release.Image, pool.Shape)
	for _, key := range poolLabels(pool) {
		fmt.Fprintln(h, key, pool.Placements[0].Template.Labels[key])
	}
	for _, key := range slices.Sorted(maps.Keys(pool.Settings)) {
		fmt.Fprintln(h, key, pool.Settings[key])
	}
	return fmt.Sprintf("%s-%08x", pool.Release.Kubernetes, h.Sum32())
}

// driftRequest begins the request of a run that nobody asked for.
const driftRequest = "drift="

// drifting is the request of mode Auto, "" if nothing drifts. A run for drift
// that is under way goes on, whatever else comes to differ meanwhile.
func (d *decision) drifting() string {
	if spec := d.pool.CycleSpec(); spec == nil || spec.Mode != v1alpha1.CycleAuto {
		return ""
	}
	if run := d.pool.Run(); run != nil {
		if strings.HasPrefix(run.Request, driftRequest) {
			return run.Request
		}
		return ""
	}
	request := driftRequest + target(d.pool.Cloud)
	if d.stopped(request) {
		return ""
	}
	for _, n := range d.pool.Nodes {
		if machine(n) && !goingAway(n) && n.Object != nil && d.drift(n) != "" {
			return d.checked(request)
		}
	}
	return ""
}
