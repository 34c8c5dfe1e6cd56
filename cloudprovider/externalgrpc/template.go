package externalgrpc

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// lesson is what registered nodes teach about a pool's next one: a cloud's
// template is an estimate, a node is a fact. The daemon's own lessons in the Pool
// object come first; where no daemon runs the plugin learns by itself, for as
// long as it runs.
type lesson struct {
	templates []v1alpha1.LearnedTemplate
	// static is what pods without an API object ask for on each node.
	static corev1.ResourceList
}

// templateOf is the v1.Node that stands for the pool's next one, as bytes; an
// error says why there is none. The bytes are never empty: a client that gets
// an empty answer crashes.
func templateOf(p cloudprovider.NodePool, instances []cloudprovider.Instance, known lesson) ([]byte, error) {
	place, ok := likely(world.Taught(p, known.templates), instances)
	if !ok {
		return nil, errors.New("the pool has no placement: nothing is known of its nodes")
	}
	n := place.Template.DeepCopy()
	if len(n.Status.Allocatable) == 0 {
		return nil, errors.New("no machine of the pool was seen yet, and its shape could not be read")
	}
	n.Name = "template-" + p.Name
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	n.Labels[corev1.LabelHostname] = n.Name
	n.Annotations[v1alpha1.AnnotationNodePoolID] = string(p.ID) // by which a price is found again
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	subtract(n.Status.Allocatable, known.static)
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

// subtract takes what is used off what there is, as far as there is any.
func subtract(from, used corev1.ResourceList) {
	for name, q := range used {
		left, there := from[name]
		if !there {
			continue
		}
		left = left.DeepCopy()
		left.Sub(q)
		if left.Sign() < 0 {
			left = resource.Quantity{}
		}
		from[name] = left
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
