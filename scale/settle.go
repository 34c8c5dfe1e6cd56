package scale

import (
	"cmp"
	"slices"

	"github.com/tidemill/tidemill/scale/fit"
)

// New nodes are found one after the other, and all of them will be there when
// the scheduler comes to place the pods. For most pods that makes no difference.
// For a spread over zones it does: what was one zone's fair share while there was
// no other is too much when there are three.
//
//	found:    AD-1 ████████      there:   AD-1 ███
//	          AD-2 ░ (for others)         AD-2 ███
//	                                      AD-3 ██
//
// So before anything is promised the growth is played again with all of its
// nodes there from the start. Each pod goes to the node that it was found, or to
// another new one; for those that find none more is grown, and it is all played
// once more.

// settlings bounds how often growth is played again. Pods that found no place
// by then are for the next look, when the nodes are there.
const settlings = 3

// growAll raises pools to their minimum and for the pods that wait, and returns
// those it does not help.
func (d *decision) growAll(pods []*waiting) []*waiting {
	d.sim.Fork()
	pods = d.grow(d.fillToMin(pods))
	for again := 1; d.touchy(); again++ {
		d.sim.Revert()
		d.sim.Fork()
		lost := d.settle()
		pods = append(pods, lost...)
		slices.SortFunc(pods, waitingOrder)
		pods = d.fillGrowth(pods)
		nodes := len(d.owner)
		if len(lost) > 0 && again < settlings {
			pods = d.grow(pods)
		}
		if len(d.owner) == nodes {
			break
		}
	}
	d.sim.Commit()
	return pods
}

// touchy is whether any pod that growth helps minds where others are.
func (d *decision) touchy() bool {
	for _, w := range d.promised {
		if !w.class.Plain() {
			return true
		}
	}
	return false
}

// settle puts all new nodes there and the promised pods on them. It returns those
// that cannot be there all at once, and promises them nothing.
func (d *decision) settle() []*waiting {
	var names []string
	place := map[string]int{}
	for _, p := range d.pools {
		for _, n := range d.grown[p] {
			d.addNew(p, p.template(n.zone), n.name)
			d.owner[n.name] = p
			place[n.name] = len(names)
			names = append(names, n.name)
		}
	}
	pods := d.promised
	d.promised = nil
	slices.SortStableFunc(pods, waitingOrder)
	var left []*waiting
	for before := -1; len(left) != before; { // pods that follow others may have to wait for them
		before, left = len(left), nil
		for len(pods) > 0 {
			run := d.run(pods)
			left = append(left, d.keepPlaces(pods[:run], place)...)
			pods = pods[run:]
		}
		pods = left
		if len(left) == 0 {
			return nil
		}
	}
	for _, w := range left {
		w.helped = false
	}
	return d.putAll(d.sim.Row(names), left, d.promise)
}

// keepPlaces puts like pods on the nodes that they were found, going round the
// nodes as long as any takes one more: what keeps a spread even.
func (d *decision) keepPlaces(like []*waiting, place map[string]int) []*waiting {
	slices.SortStableFunc(like, func(a, b *waiting) int { return cmp.Compare(place[a.node], place[b.node]) })
	var queues [][]*waiting
	for len(like) > 0 {
		n := 1
		for n < len(like) && like[n].node == like[0].node {
			n++
		}
		queues = append(queues, like[:n])
		like = like[n:]
	}
	for moved := true; moved; {
		moved = false
		kept := queues[:0]
		for _, q := range queues {
			n := d.putRun(d.rowOf(q[0].node), q, d.promise)
			moved = moved || n > 0
			if q = q[n:]; len(q) > 0 {
				kept = append(kept, q)
			}
		}
		queues = kept
	}
	var left []*waiting
	for _, q := range queues {
		left = append(left, q...)
	}
	return left
}

// rowOf is a row of one node.
func (d *decision) rowOf(node string) *fit.Row {
	d.one[0] = node
	return d.sim.Row(d.one[:])
}

// promise notes that the pod is to run on a new node.
func (d *decision) promise(w *waiting, node string) {
	w.helped, w.node = true, node
	d.promised = append(d.promised, w)
}

// award writes down which pool helps which pod.
func (d *decision) award() {
	of := map[*pool][]*waiting{}
	for _, w := range slices.SortedFunc(slices.Values(d.promised), waitingOrder) {
		switch p := d.owner[w.node]; {
		case p != nil:
			of[p] = append(of[p], w)
		case slices.Contains(d.there, w.node):
			d.help(w, HelpExisting, w.node)
		default:
			d.help(w, HelpJoining, w.node)
		}
	}
	for i := range d.plan.Grows {
		g := &d.plan.Grows[i]
		for _, p := range d.pools {
			if p.Name != g.Pool {
				continue
			}
			g.Pods, g.pods = slices.Grow(g.Pods, len(of[p])), slices.Grow(g.pods, len(of[p]))
			shapes := map[*shape]bool{}
			for _, w := range of[p] {
				shapes[w.shape] = true
				g.Pods, g.pods = append(g.Pods, w.name), append(g.pods, w.pod)
				d.help(w, HelpGrowth, p.Name)
				d.board(w, w.node)
			}
			g.shapes = len(shapes)
		}
	}
}

// weigh says how much of the growth stays idle.
func (d *decision) weigh() {
	for i := range d.plan.Grows {
		for _, p := range d.pools {
			if g := &d.plan.Grows[i]; p.Name == g.Pool {
				g.Waste = d.usage(d.grown[p]).idle()
			}
		}
	}
}

// waitingOrder is that in which room is given out.
func waitingOrder(a, b *waiting) int {
	return cmp.Or(cmp.Compare(priority(b.pod), priority(a.pod)), cmp.Compare(a.size, b.size), cmp.Compare(a.at, b.at))
}
