package externalgrpc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tidemill/tidemill/cloudprovider"
)

// learned is what registered nodes teach about the next one: a cloud's template
// is an estimate, a node is a fact.
type learned struct {
	node   *corev1.Node
	shape  string
	image  string
	taints []corev1.Taint // those that every node of the pool has
	static corev1.ResourceList
}

// learn takes a node of the pool in. The newest ready one of the pool's own
// release stands for the pool.
func (l *clusterLook) learn(p cloudprovider.NodePool, n *corev1.Node) {
	if n.DeletionTimestamp != nil || !ready(n) || len(n.Status.Allocatable) == 0 {
		return
	}
	known, ok := l.learned[p.ID]
	if !ok {
		l.learned[p.ID] = learned{node: n, shape: p.Shape, image: p.Release.Image, taints: lasting(n.Spec.Taints)}
		return
	}
	known.taints = slices.DeleteFunc(known.taints, func(t corev1.Taint) bool {
		return !slices.ContainsFunc(n.Spec.Taints, func(o corev1.Taint) bool { return t.MatchTaint(&o) && t.Value == o.Value })
	})
	newer := n.CreationTimestamp.Compare(known.node.CreationTimestamp.Time)
	if newer > 0 || newer == 0 && n.Name < known.node.Name {
		known.node = n
	}
	l.learned[p.ID] = known
}

func ready(n *corev1.Node) bool {
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// passing are the beginnings of taints that say how a node is at the moment,
// and nothing of the next one.
var passing = []string{"node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "ToBeDeletedByClusterAutoscaler",
	"DeletionCandidateOfClusterAutoscaler", "ignore-taint.cluster-autoscaler.kubernetes.io/", "startup-taint.cluster-autoscaler.kubernetes.io/",
	"status-taint.cluster-autoscaler.kubernetes.io/", "tidemill.dev/"}

func lasting(taints []corev1.Taint) []corev1.Taint {
	return slices.DeleteFunc(slices.Clone(taints), func(t corev1.Taint) bool {
		return slices.ContainsFunc(passing, func(prefix string) bool { return strings.HasPrefix(t.Key, prefix) })
	})
}

// templateOf is the v1.Node that stands for the pool's next one, as bytes; an
// error says why there is none. The bytes are never empty: a client that gets
// an empty answer crashes.
func templateOf(p cloudprovider.NodePool, instances []cloudprovider.Instance, known learned) ([]byte, error) {
	place, ok := likely(p, instances)
	if !ok {
		return nil, errors.New("the pool has no placement: nothing is known of its nodes")
	}
	n := place.Template.DeepCopy()
	n.Name = "template-" + p.Name
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	if known.node != nil && known.shape == p.Shape {
		teach(n, known, known.image == p.Release.Image)
	}
	if len(n.Status.Allocatable) == 0 {
		return nil, errors.New("no machine of the pool was seen yet, and its shape could not be read")
	}
	n.Labels[corev1.LabelHostname] = n.Name
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	bytes, err := n.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode template: %w", err)
	}
	return bytes, nil
}

// likely is where the next machine will be: one group has one template, and the
// cloud fills the placement with the fewest machines first.
func likely(p cloudprovider.NodePool, instances []cloudprovider.Instance) (cloudprovider.Placement, bool) {
	if len(p.Placements) == 0 {
		return cloudprovider.Placement{}, false
	}
	held := map[cloudprovider.Zone]int{}
	for _, in := range instances {
		if in.State != cloudprovider.Deleting && !in.ID.Placeholder() {
			held[in.Zone]++
		}
	}
	return slices.MinFunc(p.Placements, func(a, b cloudprovider.Placement) int { return held[a.Zone] - held[b.Zone] }), true
}

// placeLabels say where a node is; a node elsewhere does not teach them.
var placeLabels = []string{corev1.LabelHostname, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone,
	"oci.oraclecloud.com/fault-domain", "displayName", "hostname", "internal_addr", "node.info/"}

// teach puts what a registered node shows on the template. Taints of nodes with
// another image may be out of date, and are left.
func teach(n *corev1.Node, known learned, sameImage bool) {
	for key, value := range known.node.Labels {
		place := slices.ContainsFunc(placeLabels, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
		if _, set := n.Labels[key]; !set && !place {
			n.Labels[key] = value
		}
	}
	n.Status.Capacity = maps.Clone(known.node.Status.Capacity)
	n.Status.Allocatable = maps.Clone(known.node.Status.Allocatable)
	for name, used := range known.static {
		left := n.Status.Allocatable[name].DeepCopy()
		left.Sub(used)
		if left.Sign() < 0 {
			left = resource.Quantity{}
		}
		n.Status.Allocatable[name] = left
	}
	n.Status.NodeInfo = known.node.Status.NodeInfo
	for _, t := range known.taints {
		have := slices.ContainsFunc(n.Spec.Taints, func(o corev1.Taint) bool { return t.MatchTaint(&o) })
		if sameImage && !have {
			n.Spec.Taints = append(n.Spec.Taints, t)
		}
	}
}

// requests is what a pod takes of a node: the sum of its containers, or the
// largest of its init containers, and one place.
func requests(p *corev1.Pod) corev1.ResourceList {
	sum := corev1.ResourceList{}
	for _, c := range p.Spec.Containers {
		add(sum, c.Resources.Requests)
	}
	for _, c := range p.Spec.InitContainers {
		for name, q := range c.Resources.Requests {
			if have := sum[name]; q.Cmp(have) > 0 {
				sum[name] = q.DeepCopy()
			}
		}
	}
	add(sum, p.Spec.Overhead)
	add(sum, corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1")})
	return sum
}

func add(sum, more corev1.ResourceList) {
	for name, q := range more {
		have := sum[name].DeepCopy()
		have.Add(q)
		sum[name] = have
	}
}
