package lean

import (
	"slices"
	"strings"
	"sync"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Pantry keeps what pods have in common, one of each. It is bounded: what has
// not been asked for while so many others were is forgotten, and with [Pantry.Keep]
// what nobody holds any more; that costs a second copy and nothing else. It is safe
// for concurrent use.
type Pantry struct {
	mu       sync.Mutex
	buf      []byte
	specs    shelf[corev1.PodSpec]
	statuses shelf[corev1.PodStatus]
	labels   shelf[map[string]string]
	owners   shelf[[]metav1.OwnerReference]
}

// NewPantry is an empty one.
func NewPantry() *Pantry { return &Pantry{} }

// share gives the pod what others say as well in place of its own. What no other
// pod will ever say stays out of the pantry: thousands of such things would be kept
// long after their pods are gone, and push out what is common.
func (p *Pantry) share(pod *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shareSpec(&pod.Spec)
	if !single(&pod.Status) {
		if key, ok := p.spell(&pod.Status); ok {
			pod.Status = *p.statuses.take(key, func() corev1.PodStatus { return pod.Status })
		}
	}
	if len(pod.Labels) > 0 {
		pod.Labels = *p.labels.take(p.pairs(pod.Labels), func() map[string]string { return texts(pod.Labels) })
	}
	if len(pod.OwnerReferences) > 0 {
		if key, ok := p.spell(&metav1.ObjectMeta{OwnerReferences: pod.OwnerReferences}); ok {
			pod.OwnerReferences = *p.owners.take(key, func() []metav1.OwnerReference { return pod.OwnerReferences })
		}
	}
}

// shareSpec keeps apart what differs from replica to replica: the node, volumes that
// are claimed, and the affinity of a DaemonSet's pod, which names its node.
func (p *Pantry) shareSpec(s *corev1.PodSpec) {
	node, volumes, affinity := s.NodeName, s.Volumes, s.Affinity
	s.NodeName, s.Volumes = "", nil
	named := namesNode(affinity)
	if named {
		s.Affinity = nil
	}
	if key, ok := p.spell(s); ok {
		*s = *p.specs.take(key, func() corev1.PodSpec { return *s })
	}
	s.NodeName, s.Volumes = node, volumes
	if named {
		s.Affinity = affinity
	}
}

// namesNode is whether the affinity picks nodes by name: that is the one field that
// the API lets it ask for.
func namesNode(a *corev1.Affinity) bool {
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	return slices.ContainsFunc(terms, func(t corev1.NodeSelectorTerm) bool { return len(t.MatchFields) > 0 })
}

// single is whether the status is its pod's alone: it carries a date, as that of a
// pod does which begins, ends or is ill, or names claims that were made for it.
func single(s *corev1.PodStatus) bool {
	dated := func(c corev1.PodCondition) bool { return !c.LastTransitionTime.IsZero() }
	return s.StartTime != nil || len(s.ResourceClaimStatuses) > 0 || s.ExtendedResourceClaimStatus != nil || slices.ContainsFunc(s.Conditions, dated)
}

// message is what protobuf can spell.
type message interface {
	Size() int
	MarshalToSizedBuffer([]byte) (int, error)
}

// spell is what the message says, in bytes that are good until the next call.
func (p *Pantry) spell(m message) ([]byte, bool) {
	p.buf = slices.Grow(p.buf[:0], m.Size())[:m.Size()]
	_, err := m.MarshalToSizedBuffer(p.buf)
	return p.buf, err == nil
}

// pairs is what a map says, likewise. No label holds a zero byte.
func (p *Pantry) pairs(m map[string]string) []byte {
	keys := make([]string, 0, 16)
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	p.buf = p.buf[:0]
	for _, k := range keys {
		p.buf = append(append(append(append(p.buf, k...), 0), m[k]...), 0)
	}
	return p.buf
}

// once is a text of which there is one copy, however many objects say it.
func once[S ~string](s S) S {
	if s == "" {
		return s
	}
	return S(unique.Make(strings.Clone(string(s))).Value())
}

func texts(m map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[once(k)] = once(v)
	}
	return out
}
