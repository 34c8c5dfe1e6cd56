package scale

import "github.com/tidemill/tidemill/scale/vacate"

// onlyWhatGoes makes the simulation what it will be once the node has gone, and returns
// the pods that are then to be put somewhere: its own, those of the nodes that leave
// already, and those of the nodes that this look lets go.
//
// A look empties more nodes in mind than go: their time runs, or a limit or the loss of a
// zone keeps them. They are there again with their pods. What is proved of a cluster that
// does without them is not proved of this one: a pod that went to another pool in mind is
// one fewer to find a home for, and in truth it never moved.
//
//	n4  [p]   going, and p goes where the scheduler will have it
//	n5  [q]   emptied in mind, q put on b1 of a pool without headroom
//	          -> n5 stays for the loss of a zone: q is on n5, and b1 has room
func (s *shrinking) onlyWhatGoes(c *candidate) ([]vacate.Move, error) {
	goes := map[string]bool{c.node.Name(): true}
	for _, r := range s.plan.Removals {
		goes[r.Node] = true
	}
	moves := s.stuck(goes)
	for _, e := range s.plan.emptied {
		for _, m := range e.moves {
			if err := s.sim.RemovePod(m.Pod, m.To); err != nil {
				return nil, err
			}
		}
		if goes[e.node] {
			moves = append(moves, e.moves...)
		}
	}
	for _, e := range s.plan.emptied {
		if x := s.nodes[e.node]; !goes[e.node] {
			s.real(x.node, x.object)
		}
	}
	return moves, nil
}

// stuck adds the nodes that leave already to those that go, and returns the pods of those
// that this look could not empty in mind, for a budget that is spent or a place that is
// lacking: they will move when they can, and nobody knows where to.
func (s *shrinking) stuck(goes map[string]bool) (moves []vacate.Move) {
	for _, p := range s.pools {
		for _, n := range p.leaving {
			if s.kept[n.Name()] {
				continue
			}
			goes[n.Name()] = true
			x := s.nodes[n.Name()]
			if x == nil || x.node != n || s.plan.movesOf(n.Name()) != nil {
				continue
			}
			s.sim.RemoveNode(n.Name())
			for _, pod := range movable(x.pods) {
				moves = append(moves, vacate.Move{Pod: pod})
			}
		}
	}
	return moves
}

// among are the nodes that pods may be put on in the simulation.
func (s *shrinking) among() []*standing {
	var out []*standing
	for _, name := range s.destinations() {
		if s.sim.Node(name) != nil {
			out = append(out, s.nodes[name])
		}
	}
	return out
}

// parted are the nodes that are in pools with headroom, and the others.
func (h *headroom) parted(among []*standing) (inside, outside []*standing) {
	in := map[string]bool{}
	for _, names := range h.nodesOf() {
		for _, name := range names {
			in[name] = true
		}
	}
	for _, x := range among {
		if in[x.node.Name()] {
			inside = append(inside, x)
		} else {
			outside = append(outside, x)
		}
	}
	return inside, outside
}
