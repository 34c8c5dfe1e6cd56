package limit

import "fmt"

// Fuse tells runaway growth from growth. The sign is not how much a pool grows:
// a hundred nodes for a thousand pods are right. It is that pods ask for more
// nodes of a pool while those that came lately stand there and take none: the
// pool's nodes are not what growth was planned with (less memory than promised,
// a taint that nobody knew of, machines that never join).
type Fuse struct {
	// Least is how many useless new nodes it takes, so that a few nodes in a zone
	// where a pod cannot go are no sign. Default 5.
	Least int
	// Percent is the share of all new nodes that they must be. Default 50.
	Percent int
}

// New is what became of a pool's nodes that came lately.
type New struct {
	// All are those that have had time to take pods or to join.
	All int
	// Empty of them joined and run nothing, and never did, but DaemonSets.
	Empty int
	// Lost of them never joined.
	Lost int
}

// Blown is why the pool must not grow for pods now, "" when it may.
func (f Fuse) Blown(n New) string {
	least, percent := f.Least, f.Percent
	if least == 0 {
		least = 5
	}
	if percent == 0 {
		percent = 50
	}
	useless := n.Empty + n.Lost
	if useless < least || useless*100 < n.All*percent {
		return ""
	}
	switch {
	case n.Lost == 0:
		return fmt.Sprintf("%d of %d new nodes took no pod, and pods still ask for more", n.Empty, n.All)
	case n.Empty == 0:
		return fmt.Sprintf("%d of %d new machines never became nodes, and pods still ask for more", n.Lost, n.All)
	}
	return fmt.Sprintf("of %d new nodes %d took no pod and %d never joined, and pods still ask for more", n.All, n.Empty, n.Lost)
}
