// Package vacate answers one question many times and quickly: if this node went,
// would all of its pods find room on the others?
//
//	            ┌ simple: requests, taints, node selection ──► counts: a few numbers a node
//	Try(node) ──┤                                                   │ moves, not yet told
//	            └ all else: spread, affinity, ports, volumes ─► Oracle: the scheduler's own plugins
//	                                                                │
//	                                        Attempt ─► Keep (the node is gone) or Undo
//
// A cluster of 2,000 nodes and 80,000 pods has a few hundred kinds of pod, and
// for nearly all of them the scheduler's answer depends on nothing but the node
// itself: its free CPU, memory, storage and pod slots, its taints and labels.
// Such a pod is placed by arithmetic. Whether a node's taints and labels let a
// kind of pod in is asked once for each pair, with the functions that the
// scheduler's plugins call themselves. A kind of pod remembers how far down the
// list of destinations it has got: destinations only fill up, so that what
// refused it once refuses it until something is undone.
//
// Whatever is not provably of that kind goes to the Oracle: a pod with
// inter-pod affinity, a hard spread, host ports, claims or extended resources, a
// pod that another pod's anti-affinity keeps away, one that chooses nodes by
// name. The Oracle is the scheduler's plugins on a simulated cluster; it is told
// of the moves made by arithmetic only when it is asked, so that a cluster of
// simple pods never pays for it.
//
// The answer errs to one side only: a node that is said to be removable is, by
// the scheduler's own rules, pod by pod in the order of the moves. First fit may
// miss a packing that a cleverer search would find.
package vacate
