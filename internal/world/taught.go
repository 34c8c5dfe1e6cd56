package world

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// Taught is the pool with templates that lessons have corrected; p itself is not
// changed. The current make's own lesson corrects everything. Until it has one,
// after an upgrade, the same machine with another release corrects the resources:
// it is nearer to the truth than a formula.
func Taught(p cloudprovider.NodePool, lessons []v1alpha1.LearnedTemplate) cloudprovider.NodePool {
	if len(p.Placements) == 0 {
		return p
	}
	now := makeOf(p)
	i := slices.IndexFunc(lessons, func(l v1alpha1.LearnedTemplate) bool { return sameMake(l, now) && len(l.Allocatable) > 0 })
	exact := i >= 0
	if !exact {
		i = slices.IndexFunc(lessons, func(l v1alpha1.LearnedTemplate) bool { return sameMachine(l, now) && len(l.Allocatable) > 0 })
	}
	if i < 0 {
		return p
	}
	p.Placements = slices.Clone(p.Placements)
	for at := range p.Placements {
		t := p.Placements[at].Template.DeepCopy()
		t.Status.Capacity = corrected(t.Status.Capacity, lessons[i].Capacity)
		t.Status.Allocatable = corrected(t.Status.Allocatable, lessons[i].Allocatable)
		if exact {
			addMarks(t, lessons[i])
		}
		p.Placements[at].Template = *t
	}
	return p
}

func corrected(estimate, fact corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	maps.Copy(out, estimate)
	for name, q := range fact {
		if have, ok := out[name]; !ok || have.Cmp(q) != 0 {
			out[name] = q.DeepCopy()
		}
	}
	return out
}

func addMarks(t *corev1.Node, lesson v1alpha1.LearnedTemplate) {
	if t.Labels == nil && len(lesson.Labels) > 0 {
		t.Labels = map[string]string{}
	}
	maps.Copy(t.Labels, lesson.Labels)
	for _, taint := range lesson.Taints {
		if !has(t.Spec.Taints, taint) {
			t.Spec.Taints = append(t.Spec.Taints, taint)
		}
	}
}

// Labels that say where a node is or who it is, and nothing of the next one.
// Oracle's are those that its own guide tells cluster-autoscaler to ignore when
// it compares groups.
var ownLabels = []string{corev1.LabelHostname, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone, "oci.oraclecloud.com/fault-domain",
	"displayName", "hostname", "internal_addr", "last-migration-failure"}

var ownLabelPrefixes = []string{"node.info/", "oci.oraclecloud.com/host.", "oci.oraclecloud.com/rdma.", "topology.", "tidemill.dev/", "csi."}

func lastingLabel(key string) bool {
	return !slices.Contains(ownLabels, key) && !slices.ContainsFunc(ownLabelPrefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// Taints that say how a node is at the moment.
var passingTaints = []string{"node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "tidemill.dev/", "ToBeDeletedByClusterAutoscaler",
	"DeletionCandidateOfClusterAutoscaler", "ignore-taint.cluster-autoscaler.kubernetes.io/", "startup-taint.cluster-autoscaler.kubernetes.io/",
	"status-taint.cluster-autoscaler.kubernetes.io/"}

// LastingTaint is whether a taint belongs to a node's make, and is not a word on
// how it is at the moment.
func LastingTaint(t corev1.Taint) bool {
	return !slices.ContainsFunc(passingTaints, func(p string) bool { return strings.HasPrefix(t.Key, p) })
}
