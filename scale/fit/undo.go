package fit

import "slices"

// change is one step of the journal, enough to go back.
type change struct {
	op    op
	node  *node
	count int    // of pods added; the place of the pod that was taken
	pod   placed // that was taken
	mark  int    // of the ledger before it
}

type op int

const (
	opUnknown op = iota
	nodeAdded
	nodeRemoved
	podsAdded
	podTaken
)

// Fork begins a what-if: everything done from here on is undone by Revert, or
// kept by Commit. Forks nest.
func (c *Cluster) Fork() {
	c.forks = append(c.forks, len(c.journal))
	c.devices.ledger.minding = true
}

// Commit ends the innermost fork and keeps what was done.
func (c *Cluster) Commit() {
	c.forks = c.forks[:len(c.forks)-1]
	if len(c.forks) == 0 {
		c.journal = c.journal[:0]
		c.forget()
	}
}

// Revert ends the innermost fork and undoes what was done, last change first.
func (c *Cluster) Revert() {
	mark := c.forks[len(c.forks)-1]
	c.forks = c.forks[:len(c.forks)-1]
	for i := len(c.journal) - 1; i >= mark; i-- {
		c.undo(&c.journal[i])
	}
	clear(c.journal[mark:]) // no node is kept alive by its being forgotten
	c.journal = c.journal[:mark]
	if len(c.forks) == 0 {
		c.forget()
	}
	c.loosened++
}

// mark is where the ledger's trail stands.
func (c *Cluster) mark() int { return len(c.devices.ledger.trail) }

// forget ends the trail: nobody goes back.
func (c *Cluster) forget() {
	l := c.devices.ledger
	clear(l.trail)
	l.trail, l.minding = l.trail[:0], false
}

func (c *Cluster) undo(ch *change) {
	c.devices.ledger.back(ch.mark)
	n := ch.node
	switch ch.op {
	case nodeAdded:
		c.withdraw(n)
	case nodeRemoved:
		n.refresh(c) // what matters may have changed while it was away
		n.kind, n.domains = c.kindOf(n), c.topo.domainsOf(n)
		c.insert(n)
	case podsAdded:
		at := len(n.pods) - ch.count
		gone := n.pods[at:]
		n.pods = n.pods[:at]
		c.unload(n, gone)
	case podTaken:
		n.pods = slices.Insert(slices.Clone(n.pods), ch.count, ch.pod)
		n.refresh(c)
		class := n.pods[ch.count].class
		if class.stored {
			c.claim(ch.pod.pod, 1)
		}
		c.load(n, class, 1)
	}
}

// unload counts pods out that are off the node, like ones at a time.
func (c *Cluster) unload(n *node, gone []placed) {
	for len(gone) > 0 {
		k, class := 1, gone[0].class
		for k < len(gone) && gone[k].class == class {
			k++
		}
		if class.stored {
			for _, p := range gone[:k] {
				c.claim(p.pod, -1)
			}
		}
		c.load(n, class, -k)
		gone = gone[k:]
	}
}

// wrote writes a change down. Outside a fork nobody goes back.
func (c *Cluster) wrote(ch change) {
	if len(c.forks) > 0 {
		c.journal = append(c.journal, ch)
	}
}
