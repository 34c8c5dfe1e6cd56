// Package scale raises node pools for pods that have no room, and lets nodes go
// that nobody needs.
//
//	            ┌─ who waits, and for what?          sieve   ─► Verdict
//	Snapshot ─► │  room on nodes there are or come?  place   ─► "existing", "joining"
//	            │  room on nodes about to leave?     keep    ─► Keep
//	 Decide     │  what failed to come?              failed  ─► TakeBack, backoff
//	 (pure)     │  which pool, how many?             grow    ─► Grow
//	            └─ which nodes are not needed?       shrink  ─► Timer, Removal
//
// [Decide] is a pure function from a world.Snapshot to a [Plan]; [Loop] carries
// plans out. Everything that a restarted daemon must know is in the cluster: how
// long a node has been unneeded is an annotation on the Node, how long a pool is
// backed off is in the Pool's status, and which nodes are leaving is a mark.
//
// Whether a pod fits a node is the scheduler's own answer, see scale/fit. A node
// that does not exist yet is simulated from the pool's template with the
// DaemonSet pods that will run there. The cloud picks the zone of a new machine,
// so a pool with several zones is taken to fill the emptiest one first; a pod
// that needs another zone is charged for the machines that come before.
//
// Growth is chosen by least waste: the share of CPU and memory that stays unused
// on the new nodes, and of GPUs that nobody asked for. Several pools may grow in
// one look.
//
// Scale-down only chooses. It marks a Node and cordons it in one write; the cycle
// verb's executor drains marked nodes under PodDisruptionBudgets and deletes the
// machine. A marked node whose drain has not begun is given back as soon as a
// pending pod could use it, or something on it must not be moved.
//
// Each pod that is not helped, each pool that cannot grow and each node that
// stays carries a [Reason]; events, status, metrics and the command line show it
// unchanged.
package scale
