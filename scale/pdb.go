package scale

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// budgets are the PodDisruptionBudgets by namespace, with what one plan may
// still spend of each: two nodes that are both harmless alone may not be so
// together.
type budgets map[string][]*budget

type budget struct {
	pdb      *policyv1.PodDisruptionBudget
	selector labels.Selector
	left     int
}

func newBudgets(pdbs []*policyv1.PodDisruptionBudget) budgets {
	out := budgets{}
	for _, pdb := range pdbs {
		selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
		if err != nil {
			// What a person meant to protect is not disrupted for a typo.
			selector = labels.Everything()
		}
		b := &budget{pdb, selector, int(pdb.Status.DisruptionsAllowed)}
		if err != nil || pdb.Status.ObservedGeneration < pdb.Generation {
			b.left = 0 // the number is not this budget's; the API server refuses too
		}
		out[pdb.Namespace] = append(out[pdb.Namespace], b)
	}
	return out
}

// of are the budgets that cover the pod.
func (b budgets) of(pod *corev1.Pod) []*budget {
	var out []*budget
	for _, x := range b[pod.Namespace] {
		if x.selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, x)
		}
	}
	return out
}

// spend takes one disruption for each pod, or nothing and says why not.
func (b budgets) spend(pods []*corev1.Pod) (Reason, string) {
	for i, pod := range pods {
		covering := b.of(pod)
		switch {
		case len(covering) > 1:
			b.giveBack(pods[:i])
			return PDBConflict, fmt.Sprintf("%s is covered by %s and %s", podName(pod), covering[0].pdb.Name, covering[1].pdb.Name)
		case len(covering) == 1 && covering[0].left < 1:
			b.giveBack(pods[:i])
			return PDBExhausted, fmt.Sprintf("%s: budget %s allows no disruption", podName(pod), covering[0].pdb.Name)
		case len(covering) == 1:
			covering[0].left--
		}
	}
	return "", ""
}

func (b budgets) giveBack(pods []*corev1.Pod) {
	for _, pod := range pods {
		for _, x := range b.of(pod) {
			x.left++
		}
	}
}
