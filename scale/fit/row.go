package fit

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Row is nodes in the order in which pods are put on them: each pod goes to the
// first that it fits. It remembers for each class how far it is in vain to look.
//
//	n1 n2 n3 n4 n5 n6          a class with room from n3 on, its pods apart from
//	── ── ██ ██ ░░ ░░          each other: n3 and n4 have one, the next is n5's
//	past     │
//	         └ live list: without those that fail for good
type Row struct {
	c     *Cluster
	nodes []*node
	past  map[*Class]int // nodes before it will not take the class
	state int            // of the cluster that past is right for
	now   walk
}

// walk is the nodes that may still take pods of one class.
type walk struct {
	class  *Class
	live   []int // places in the row
	parked []int // full by a spread over hostnames, until the least rises
	least  int32
	seen   int // of the row's nodes
}

// Row makes a row of the nodes of these names; names that are not there are left
// out.
func (c *Cluster) Row(names []string) *Row {
	r := &Row{c: c, past: map[*Class]int{}}
	for _, name := range names {
		r.Extend(name)
	}
	return r
}

// Extend puts a node at the end of the row.
func (r *Row) Extend(name string) {
	if n := r.c.nodes[name]; n != nil {
		r.nodes = append(r.nodes, n)
	}
}

// Len is the number of nodes.
func (r *Row) Len() int { return len(r.nodes) }

// Put places pods of one class, each on the first node of the row that it fits,
// and tells where. It returns how many it placed: the first so many of pods. When
// one finds no place no other does.
func (r *Row) Put(cl *Class, pods []*corev1.Pod, found func(pod *corev1.Pod, node string)) int {
	if len(pods) == 0 || len(r.nodes) == 0 {
		return 0
	}
	if cl.stale {
		return r.putEach(pods, found)
	}
	q := r.c.question(cl, pods[0])
	if q.rejects() {
		return 0
	}
	if r.state != r.c.loosened {
		clear(r.past)
		r.now, r.state = walk{}, r.c.loosened
	}
	if cl.Plain() {
		return r.fill(&q, pods, found)
	}
	return r.scatter(&q, pods, found)
}

func (r *Row) putEach(pods []*corev1.Pod, found func(*corev1.Pod, string)) int {
	for i := range pods {
		if r.Put(r.c.Class(pods[i]), pods[i:i+1], found) == 0 {
			return i
		}
	}
	return len(pods)
}

// fill puts pods that ask for nothing but room: by arithmetic, a node at a time.
func (r *Row) fill(q *question, pods []*corev1.Pod, found func(*corev1.Pod, string)) int {
	cl, done := q.class, 0
	at := r.past[cl]
	for ; at < len(r.nodes) && done < len(pods); at++ {
		n := r.nodes[at]
		if n.away || r.c.static(cl.sel, n) != fine {
			continue
		}
		k := n.times(cl.asks, len(pods)-done)
		if k == 0 {
			continue
		}
		some := pods[done : done+k]
		r.c.put(n, cl, some)
		for _, p := range some {
			found(p, n.name)
		}
		if done += k; done == len(pods) {
			break // the node may take more
		}
	}
	r.past[cl] = at
	return done
}

// scatter puts pods one at a time: where one is matters to the next.
func (r *Row) scatter(q *question, pods []*corev1.Pod, found func(*corev1.Pod, string)) int {
	r.walk(q)
	for i, pod := range pods {
		if (q.shelf != nil || q.desk != nil) && i > 0 {
			*q = r.c.question(q.class, pod)
		}
		n := r.step(q)
		if n == nil {
			return i
		}
		r.c.put(n, q.class, pods[i:i+1])
		found(pod, n.name)
	}
	return len(pods)
}

// walk makes the list of nodes worth asking, or goes on with the one there is.
func (r *Row) walk(q *question) {
	w := &r.now
	if w.class != q.class {
		*w = walk{class: q.class, seen: r.past[q.class], live: w.live[:0], parked: w.parked[:0]}
		if h := q.class.hostwards; h != nil {
			w.least = h.tally.least(h.domains)
		}
	}
	vain := -1
	for ; w.seen < len(r.nodes); w.seen++ {
		n := r.nodes[w.seen]
		if r.c.static(q.class.sel, n) == fine && n.times(q.class.asks, 1) > 0 {
			w.live = append(w.live, w.seen)
		} else if len(w.live)+len(w.parked) == 0 {
			vain = w.seen
		}
	}
	if vain >= 0 { // once: in a full cluster that is every node for every class
		r.past[q.class] = vain + 1
	}
}

// step is the first node that takes a pod, nil if there is none. Nodes that fail
// for good leave the list.
func (r *Row) step(q *question) *node {
	w := &r.now
	if h := q.class.hostwards; h != nil {
		if least := h.tally.least(h.domains); least != w.least {
			w.live, w.parked, w.least = append(w.live, w.parked...), w.parked[:0], least
			slices.Sort(w.live)
		}
	}
	kept := 0
	for i, at := range w.live {
		n := r.nodes[at]
		if n.away {
			continue
		}
		why := q.ask(n)
		if why == accepted {
			copy(w.live[i-kept:i], w.live[:kept])
			w.live = w.live[i-kept:]
			return n
		}
		switch {
		case why == byHostSpread:
			w.parked = append(w.parked, at)
		case !why.lasting():
			w.live[kept] = at
			kept++
		}
	}
	w.live = w.live[:kept]
	return nil
}
