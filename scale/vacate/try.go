package vacate

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Move is a pod and the node that it would run on.
type Move struct {
	Pod *corev1.Pod
	To  string
}

// Refusal is the pod that finds no room, and why.
type Refusal struct {
	Pod *corev1.Pod
	// Why counts the destinations by what they say, the commonest first.
	Why string
}

// Attempt is a node emptied in mind. It must be ended with Keep or Undo before
// the next Try.
type Attempt struct {
	Moves []Move

	c       *Cluster
	node    *node
	taken   []taken
	cursors []cursor
	asked   bool // the Oracle has an open fork
	wasGone bool
	version int
	untold  int // length of c.untold when the Attempt began
}

type taken struct {
	node *node
	want Amount
}

type cursor struct {
	kind *kind
	was  int
}

// Try finds places for the pods of a node elsewhere. The pods are those that
// must move; they come as their controller would make them anew, without a node
// and a status. With a Refusal nothing has changed and there is no Attempt. An
// error means that the Oracle could not be asked.
func (c *Cluster) Try(name string, pods []*corev1.Pod) (*Attempt, *Refusal, error) {
	n := c.nodes[name]
	if n == nil {
		return nil, nil, fmt.Errorf("empty node %s: there is none of that name", name)
	}
	a := &Attempt{c: c, node: n, wasGone: n.gone, version: c.version, untold: len(c.untold)}
	n.gone = true
	kinds := make([]*kind, len(pods))
	wants := make([]Amount, len(pods))
	hard := false
	for i, pod := range pods {
		kinds[i], wants[i] = c.kindOf(pod)
		hard = hard || kinds[i] == nil
	}
	if hard {
		if refusal, err := a.ask(pods, kinds, wants); refusal != nil || err != nil {
			a.Undo()
			return nil, refusal, err
		}
	}
	for i, pod := range pods {
		if kinds[i] == nil {
			continue
		}
		if why := a.count(pod, kinds[i]); why != "" {
			a.Undo()
			return nil, &Refusal{pod, why}, nil
		}
	}
	return a, nil, nil
}

// ask puts the pods that are not simple to the Oracle: they are the choosy ones
// and come first. Its fork stays open until the Attempt ends.
func (a *Attempt) ask(pods []*corev1.Pod, kinds []*kind, wants []Amount) (*Refusal, error) {
	o, err := a.c.open()
	if err != nil {
		return nil, err
	}
	a.untold = 0
	o.Fork()
	a.asked = true
	o.RemoveNode(a.node.object.Name)
	among := a.c.Standing()
	for i, pod := range pods {
		if kinds[i] != nil {
			continue
		}
		a.c.asked++
		to, why := o.Schedule(pod, among)
		if to == "" {
			return &Refusal{pod, why}, nil
		}
		a.take(a.c.nodes[to], wants[i])
		a.Moves = append(a.Moves, Move{pod, to})
	}
	return nil, nil
}

// InOrder are the pods in the order in which Try places them: the choosy ones,
// then those that are placed by arithmetic.
func (c *Cluster) InOrder(pods []*corev1.Pod) []*corev1.Pod {
	var first, then []*corev1.Pod
	for _, pod := range pods {
		if k, _ := c.kindOf(pod); k == nil {
			first = append(first, pod)
		} else {
			then = append(then, pod)
		}
	}
	return append(first, then...)
}

// Standing are the names of the destinations that are left, in order.
func (c *Cluster) Standing() []string {
	names := make([]string, 0, len(c.places))
	for _, p := range c.places {
		if !p.gone {
			names = append(names, p.object.Name)
		}
	}
	return names
}

// count places a simple pod on the first destination that takes its kind.
func (a *Attempt) count(pod *corev1.Pod, k *kind) (why string) {
	c := a.c
	if k.refusedAt == c.version {
		return k.refused
	}
	was := k.cursor
	for k.cursor < len(c.places) {
		p := c.places[k.cursor]
		if !p.gone && p.free.admits(k.want) && k.entry.admits(k.cursor, p.object) == admitted {
			break
		}
		k.cursor++
	}
	if was != k.cursor {
		a.cursors = append(a.cursors, cursor{k, was})
	}
	if k.cursor == len(c.places) {
		return a.refusal(k)
	}
	p := c.places[k.cursor]
	a.take(p, k.want)
	a.Moves = append(a.Moves, Move{pod, p.object.Name})
	c.untold = append(c.untold, change{p.object.Name, pod})
	return ""
}

func (a *Attempt) take(n *node, want Amount) {
	n.free = n.free.Minus(want)
	a.taken = append(a.taken, taken{n, want})
	a.c.version++
}

// refusal says what each destination has against the kind. It is remembered
// where it holds for whatever node is tried next: nothing has been moved yet,
// and the node that is tried would refuse as well.
func (a *Attempt) refusal(k *kind) string {
	c := a.c
	var tainted, unwanted int
	var short [1 << len(words)]int
	for i, p := range c.places {
		switch {
		case p.gone:
		case k.entry.admits(i, p.object) == saysTainted:
			tainted++
		case k.entry.admits(i, p.object) == saysUnwanted:
			unwanted++
		default:
			short[p.free.lacks(k.want)]++
		}
	}
	counts := map[string]int{}
	add := func(why string, n int) {
		if n > 0 {
			counts[why] = n
		}
	}
	add(whyTainted, tainted)
	add(whyUnwanted, unwanted)
	for mask, n := range short {
		add("NodeResourcesFit: "+inWords(mask), n)
	}
	why := commonest(counts)
	if len(a.taken) == 0 && (a.node.place < 0 || !a.node.free.admits(k.want) || k.entry.admits(a.node.place, a.node.object) != admitted) {
		k.refused, k.refusedAt = why, c.version
	}
	return why
}

// commonest lists reasons with their numbers, as the scheduler's events do.
func commonest(counts map[string]int) string {
	list := make([]string, 0, len(counts))
	for why := range counts {
		list = append(list, why)
	}
	sort.Slice(list, func(i, j int) bool {
		if counts[list[i]] != counts[list[j]] {
			return counts[list[i]] > counts[list[j]]
		}
		return list[i] < list[j]
	})
	for i, why := range list {
		list[i] = fmt.Sprintf("%d %s", counts[why], why)
	}
	if len(list) == 0 {
		return "there is no other node"
	}
	return strings.Join(list, ", ")
}

// Keep makes the Attempt the truth: the node is gone, its pods run elsewhere.
func (a *Attempt) Keep() {
	c := a.c
	gone := change{node: a.node.object.Name}
	if a.asked {
		c.opened.Commit() // it has heard of the node, and of the pods it placed
	} else {
		c.untold = slices.Insert(c.untold, a.untold, gone)
	}
	c.version++
}

// Undo makes everything as it was before Try.
func (a *Attempt) Undo() {
	c := a.c
	a.node.gone = a.wasGone
	for _, t := range a.taken {
		t.node.free = t.node.free.Plus(t.want)
	}
	for i := len(a.cursors) - 1; i >= 0; i-- {
		a.cursors[i].kind.cursor = a.cursors[i].was
	}
	if a.asked {
		c.opened.Revert()
	}
	c.untold = c.untold[:a.untold]
	c.version = a.version
}
