package vacate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// shy are pods that keep others away: anti-affinity works both ways, so that a
// simple pod is not simple where such a term may mean it. The terms are read
// broadly (a namespace selector means every namespace): to be wrong costs a
// question to the Oracle and nothing else.
type shy struct {
	terms []shyTerm
	seen  map[types.UID]*corev1.PodAntiAffinity // by owner: replicas say the same
}

type shyTerm struct {
	namespaces []string // nil for all
	selector   labels.Selector
}

func (s *shy) add(pod *corev1.Pod) {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil {
		return
	}
	anti := pod.Spec.Affinity.PodAntiAffinity
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		if s.seen == nil {
			s.seen = map[types.UID]*corev1.PodAntiAffinity{}
		}
		if before := s.seen[owner.UID]; before != nil && equal(before, anti) {
			return
		}
		s.seen[owner.UID] = anti
	}
	for i := range anti.RequiredDuringSchedulingIgnoredDuringExecution {
		s.terms = append(s.terms, termOf(pod.Namespace, &anti.RequiredDuringSchedulingIgnoredDuringExecution[i]))
	}
}

func termOf(namespace string, t *corev1.PodAffinityTerm) shyTerm {
	out := shyTerm{namespaces: t.Namespaces, selector: labels.Everything()}
	if len(out.namespaces) == 0 {
		out.namespaces = []string{namespace}
	}
	if t.NamespaceSelector != nil {
		out.namespaces = nil
	}
	if sel, err := metav1.LabelSelectorAsSelector(t.LabelSelector); err == nil {
		out.selector = sel
	}
	return out
}

// means is whether any of the terms may mean the pod.
func (s *shy) means(pod *corev1.Pod) bool {
	for i := range s.terms {
		t := &s.terms[i]
		if (t.namespaces == nil || slices.Contains(t.namespaces, pod.Namespace)) && t.selector.Matches(labels.Set(pod.Labels)) {
			return true
		}
	}
	return false
}

// equal compares what matters of two, cheaply: the common case is that they are
// copies of one template.
func equal(a, b *corev1.PodAntiAffinity) bool {
	x, y := a.RequiredDuringSchedulingIgnoredDuringExecution, b.RequiredDuringSchedulingIgnoredDuringExecution
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i].String() != y[i].String() {
			return false
		}
	}
	return true
}
