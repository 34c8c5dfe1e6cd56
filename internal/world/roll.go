package world

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// roll is which pods are on which node, kept from look to look:
//
//	informer's pods ─► seen before? ─ yes ─► counted on its node
//	                       └ no ─► its node's list is made anew
//
// Informers replace objects and never change them, so a pointer that was there at
// the last look says what it said then: the pod itself is not read. A node whose
// pods are all of them known, and no fewer, hands out the same list again; what
// others have derived from that list then still holds. The lists are therefore
// never changed in place.
type roll struct {
	look  int
	known map[*corev1.Pod]*place
	nodes map[string]*place // by node's name
	// pending and rest are pods without a node: those that wait for one, and those
	// that never will.
	pending, rest *place
}

// place is a node, or where pods are that have none.
type place struct {
	pods  []*corev1.Pod // in order
	fresh []*corev1.Pod // that are not in pods yet
	look  int           // that found pods here
	found int           // by that look
}

func newRoll() *roll {
	return &roll{known: map[*corev1.Pod]*place{}, nodes: map[string]*place{}, pending: &place{}, rest: &place{}}
}

// call puts pods where they belong: by node, and those that wait for one. The
// lists are shared and must not be changed.
func (r *roll) call(pods []*corev1.Pod) (byNode map[string][]*corev1.Pod, pending []*corev1.Pod) {
	r.count(pods)
	there := sync.OnceValue(func() map[*corev1.Pod]bool {
		now := make(map[*corev1.Pod]bool, len(pods))
		for _, p := range pods {
			now[p] = true
		}
		return now
	})
	r.settle(r.pending, there)
	r.settle(r.rest, there)
	byNode = make(map[string][]*corev1.Pod, len(r.nodes))
	for name, at := range r.nodes {
		if r.settle(at, there); len(at.pods) == 0 {
			delete(r.nodes, name)
			continue
		}
		byNode[name] = at.pods
	}
	return byNode, r.pending.pods
}

// count finds each pod's place.
func (r *roll) count(pods []*corev1.Pod) {
	r.look++
	for _, p := range pods {
		at := r.known[p]
		if at == nil {
			at = r.placeOf(p)
			r.known[p] = at
			at.fresh = append(at.fresh, p)
		}
		if at.look != r.look {
			at.look, at.found = r.look, 0
		}
		at.found++
	}
}

// settle makes the list of a place anew if anybody came or left; who is there is
// asked only when somebody left.
func (r *roll) settle(at *place, there func() map[*corev1.Pod]bool) {
	all := len(at.pods) + len(at.fresh)
	switch found := at.look == r.look; {
	case all == 0 || found && len(at.fresh) == 0 && at.found == all:
	case found && at.found == all:
		r.renew(at, nil)
	default:
		r.renew(at, there())
	}
}

// renew makes a new list of those that are still there, all of them when now is
// nil, and those that came.
func (r *roll) renew(at *place, now map[*corev1.Pod]bool) {
	list := make([]*corev1.Pod, 0, len(at.pods)+len(at.fresh))
	for _, p := range at.pods {
		if now == nil || now[p] {
			list = append(list, p)
		} else {
			delete(r.known, p)
		}
	}
	// Without room at the end nobody can append to what others share.
	at.pods, at.fresh = slices.Clip(append(list, at.fresh...)), nil
	inOrder(at.pods)
}

func (r *roll) placeOf(p *corev1.Pod) *place {
	switch name := p.Spec.NodeName; {
	case name != "":
		at := r.nodes[name]
		if at == nil {
			at = &place{}
			r.nodes[name] = at
		}
		return at
	case p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed:
		return r.pending
	}
	return r.rest
}
