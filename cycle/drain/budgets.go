package drain

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// selecting are the budgets that select the pod, as the Eviction API matches
// them: an invalid selector matches nothing.
func selecting(pod *corev1.Pod, pdbs []*policyv1.PodDisruptionBudget) []*policyv1.PodDisruptionBudget {
	var out []*policyv1.PodDisruptionBudget
	for _, b := range pdbs {
		if Selects(b, pod) {
			out = append(out, b)
		}
	}
	return out
}

// Allowed is whether all of the node's pods could be asked to leave now, each on its
// own: none is refused, and each budget that counts one of them allows a disruption.
func (t Target) Allowed(now time.Time) bool {
	c := t.Classify(now)
	return len(c.Blocked) == 0 && !slices.ContainsFunc(slices.Concat(c.Evictable, c.Daemons), func(p *corev1.Pod) bool {
		b := selecting(p, t.PDBs)
		return len(b) > 1 || len(b) == 1 && (b[0].Status.ObservedGeneration < b[0].Generation || b[0].Status.DisruptionsAllowed < 1)
	})
}

// Selects is whether the budget counts the pod.
func Selects(b *policyv1.PodDisruptionBudget, pod *corev1.Pod) bool {
	if b.Namespace != pod.Namespace {
		return false
	}
	s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	return err == nil && s.Matches(labels.Set(pod.Labels))
}

func names(pdbs []*policyv1.PodDisruptionBudget) string {
	var out []string
	for _, b := range pdbs {
		out = append(out, b.Namespace+"/"+b.Name)
	}
	return strings.Join(out, ", ")
}

// named is the budget of this namespace/name, nil if it is not known.
func named(name string, pdbs []*policyv1.PodDisruptionBudget) *policyv1.PodDisruptionBudget {
	for _, b := range pdbs {
		if b.Namespace+"/"+b.Name == name {
			return b
		}
	}
	return nil
}
