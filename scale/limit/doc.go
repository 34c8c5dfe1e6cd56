// Package limit bounds growth.
//
//	what there is ─┐
//	what one node ─┼─► Limits.Room ─► how many more, and what stands in the way
//	  more brings  │
//	max, min ──────┘
//
// There are limits of one pool and limits of the whole cluster; both bound
// sums: cores, memory, nodes, accelerators, and money by the hour. A growth is
// cut to what does not pass any of them, never refused for the part that would
// fit. What is there already is never removed for a limit: a limit says what may
// be added.
//
// The minima of cluster-autoscaler's flags bound the other way: scale-down
// leaves that much ([Limits.Spare]).
//
// A [Fuse] stops what no limit would stop in time: a pool whose new nodes do not
// take the pods that they are made for would grow to its maximum, node after
// node, without helping anybody.
package limit
