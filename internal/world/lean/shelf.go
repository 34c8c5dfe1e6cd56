package lean

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// kinds are how many things of a sort a shelf holds before the older half goes.
// A cluster of 60,000 pods has a few thousand ReplicaSets, and what is on the
// shelf alone is a kilobyte or two each.
const kinds = 4096

// shelf is things by what they say, in two halves: a thing that is asked for
// moves to the newer one, and when that is full the older one is thrown away.
type shelf[T any] struct{ now, before map[string]*T }

// take is the thing that says key, made when there is none.
func (s *shelf[T]) take(key []byte, make func() T) *T {
	if v := s.now[string(key)]; v != nil {
		return v
	}
	v := s.before[string(key)]
	if v == nil {
		fresh := make()
		v = &fresh
	}
	if s.now == nil || len(s.now) >= kinds {
		s.before, s.now = s.now, map[string]*T{}
	}
	s.now[string(key)] = v
	return v
}

// keep throws away what is not held by anybody; where tells where a thing is.
func (s *shelf[T]) keep(held places, where func(*T) uintptr) {
	kept := make(map[string]*T, len(held))
	for _, half := range []map[string]*T{s.before, s.now} {
		for key, v := range half {
			if held[where(v)] {
				kept[key] = v
			}
		}
	}
	s.now, s.before = kept, nil
}

// places are where the lists and maps are that somebody holds.
type places map[uintptr]bool

// placesOf are those that the pods hold of a thing.
func placesOf(pods []*corev1.Pod, where func(*corev1.Pod) uintptr) places {
	out := places{}
	for _, pod := range pods {
		out[where(pod)] = true
	}
	delete(out, 0)
	return out
}

// place is where a list or a map is, 0 if it is empty.
func place(v any) uintptr {
	x := reflect.ValueOf(v)
	if x.Len() == 0 {
		return 0
	}
	return x.Pointer()
}

// What two pods share of a thing is a list or a map in it.
func placeOfSpec(s *corev1.PodSpec) uintptr     { return place(s.Containers) }
func placeOfStatus(s *corev1.PodStatus) uintptr { return place(s.Conditions) }

// Keep forgets what none of the pods holds: they are all that live, in the state in
// which the pantry has left them. Without it the labels and owners of thousands of Jobs
// that are gone would be kept, until as many others have come. What is forgotten of a
// pod that is on its way into an informer's store costs a copy and nothing else.
//
//	short Jobs ─► a kind each ─► Keep(what lives) ─► gone with their pods
//	ReplicaSets ─► a kind each ─────────┴──────────► stay with theirs
func (p *Pantry) Keep(pods []*corev1.Pod) {
	specs := placesOf(pods, func(pod *corev1.Pod) uintptr { return placeOfSpec(&pod.Spec) })
	statuses := placesOf(pods, func(pod *corev1.Pod) uintptr { return placeOfStatus(&pod.Status) })
	labels := placesOf(pods, func(pod *corev1.Pod) uintptr { return place(pod.Labels) })
	owners := placesOf(pods, func(pod *corev1.Pod) uintptr { return place(pod.OwnerReferences) })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.specs.keep(specs, placeOfSpec)
	p.statuses.keep(statuses, placeOfStatus)
	p.labels.keep(labels, func(m *map[string]string) uintptr { return place(*m) })
	p.owners.keep(owners, func(o *[]metav1.OwnerReference) uintptr { return place(*o) })
}
