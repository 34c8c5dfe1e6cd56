package scale

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// Whether a pod may be moved is said by cluster-autoscaler's drain rules, in its
// order, so that what was safe there is safe here and the reason that is named is
// the one its users know. The first rule that has a word settles it:
//
//	mirror, DaemonSet, terminal, terminating ──► needs no place, see stays
//	do-not-disrupt                           ──► stays (tidemill's own)
//	replica count                            ──► stays
//	safe-to-evict: true                      ──► moves
//	on completion, replicated, system,
//	not safe to evict, local storage         ──► stays
//	claims that nobody can place             ──► stays (tidemill's own)
//
// The PodDisruptionBudgets come after, over all pods of the node at once, for
// pods that are safe to evict as well: the API server asks them of every pod.
type rule func(s *shrinking, pod *corev1.Pod) (why Reason, message string)

// The rules in order; safe-to-evict does away with those that are waivable.
var (
	firm     = []rule{protectedPod, fewReplicas}
	waivable = []rule{onCompletion, notReplicated, systemPod, notSafeToEvict, localStorage}
	last     = []rule{unplaceable}
)

// blocker is why a pod must not be moved, "" when it may. The message goes on
// where the pod's name ends.
func (s *shrinking) blocker(pod *corev1.Pod) (Reason, string) {
	for _, rules := range [...][]rule{firm, waivable, last} {
		if &rules[0] == &waivable[0] && pod.Annotations[v1alpha1.AnnotationSafeToEvict] == "true" {
			continue
		}
		for _, r := range rules {
			if why, message := r(s, pod); why != "" {
				return why, message
			}
		}
	}
	return "", ""
}

func protectedPod(s *shrinking, pod *corev1.Pod) (Reason, string) {
	switch protected, malformed := world.DoNotDisrupt(pod.Annotations, pod.CreationTimestamp.Time, s.s.Theirs()); {
	case malformed:
		return DoNotDisrupt, fmt.Sprintf(" has an annotation %q that is neither true nor a duration", pod.Annotations[v1alpha1.AnnotationDoNotDisrupt])
	case protected:
		return DoNotDisrupt, " is annotated so"
	}
	return "", ""
}

// fewReplicas keeps pods of a ReplicaSet or ReplicationController that has fewer
// than the policy's least. Those there are, or wait, are counted and not those
// that its spec asks for: where the two differ there are fewer, and one more
// that goes is felt the more.
func fewReplicas(s *shrinking, pod *corev1.Pod) (Reason, string) {
	least := s.p.MinReplicaCount
	key, ok := replicaKey(pod)
	if least <= 0 || !ok {
		return "", ""
	}
	if s.replicas == nil {
		s.countReplicas()
	}
	if n := s.replicas[key]; n < least {
		return MinReplicasReached, fmt.Sprintf(" is one of %d replicas, and fewer than %d are left alone", n, least)
	}
	return "", ""
}

// countReplicas counts the pods of each controller that are not at their end.
func (s *shrinking) countReplicas() {
	s.replicas = map[replicaSet]int{}
	count := func(pods []*corev1.Pod) {
		for _, pod := range pods {
			if key, ok := replicaKey(pod); ok && !stays(pod) {
				s.replicas[key]++
			}
		}
	}
	for _, p := range s.s.Pools {
		for _, n := range p.Nodes {
			count(n.Pods)
		}
	}
	for _, n := range s.s.Unmanaged {
		count(n.Pods)
	}
	count(s.s.Pending)
}

// replicaSet names a controller whose pods are counted.
type replicaSet struct{ namespace, kind, name string }

func replicaKey(pod *corev1.Pod) (replicaSet, bool) {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil || owner.Kind != "ReplicaSet" && owner.Kind != "ReplicationController" {
		return replicaSet{}, false
	}
	return replicaSet{pod.Namespace, owner.Kind, owner.Name}, true
}

// onCompletion keeps what asks to run to its end first.
func onCompletion(_ *shrinking, pod *corev1.Pod) (Reason, string) {
	if pod.Annotations[v1alpha1.AnnotationSafeToEvict] == "on-completion" {
		return OnCompletion, " is to complete first, as annotated"
	}
	return "", ""
}

func notReplicated(_ *shrinking, pod *corev1.Pod) (Reason, string) {
	if metav1.GetControllerOfNoCopy(pod) == nil {
		return NotReplicated, " has no controller"
	}
	return "", ""
}

// systemPod keeps pods of kube-system that no budget covers while they are young,
// as cluster-autoscaler does since 1.33: before, one such pod kept its node for
// ever.
func systemPod(s *shrinking, pod *corev1.Pod) (Reason, string) {
	keep := s.p.SystemPodsFor
	if pod.Namespace != metav1.NamespaceSystem || len(s.budgets.of(pod)) > 0 || s.s.Theirs().Sub(pod.CreationTimestamp.Time) >= *keep {
		return "", ""
	}
	return SystemPod, " has no PodDisruptionBudget and is younger than " + span(*keep)
}

func notSafeToEvict(_ *shrinking, pod *corev1.Pod) (Reason, string) {
	if pod.Annotations[v1alpha1.AnnotationSafeToEvict] == "false" {
		return NotSafeToEvict, " is annotated so"
	}
	return "", ""
}

func localStorage(_ *shrinking, pod *corev1.Pod) (Reason, string) {
	if volume := localVolume(pod); volume != "" {
		return LocalStorage, " keeps data in volume " + volume
	}
	return "", ""
}

// unplaceable keeps a pod whose devices nobody could find elsewhere.
func unplaceable(s *shrinking, pod *corev1.Pod) (Reason, string) {
	if why := s.sim.Unsupported(pod); why != "" {
		return DynamicResources, ": " + why
	}
	return "", ""
}

// localVolume is the name of a volume whose data would be lost with the node.
func localVolume(pod *corev1.Pod) string {
	safe := strings.Split(strings.ReplaceAll(pod.Annotations[v1alpha1.AnnotationSafeToEvictLocal], " ", ""), ",")
	for _, v := range pod.Spec.Volumes {
		onDisk := v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory
		if (onDisk || v.HostPath != nil) && !slices.Contains(safe, v.Name) {
			return v.Name
		}
	}
	return ""
}
