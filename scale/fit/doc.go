// Package fit answers one question: would the scheduler put this pod on that
// node?
//
// The answer is the scheduler's own. A [Cluster] holds the scheduler's NodeInfo
// structures and runs the scheduler's PreFilter and Filter plugins on them, in
// the scheduler's order, with the arguments of its default profile. Nothing
// here knows what a taint or a topology spread constraint is.
//
//	world.Snapshot ─► New ─► Cluster ─┬─ AddNode, AddPod, RemovePod, RemoveNode
//	  (PVCs, PVs, ...)                ├─ Fork ─► what if ─► Revert or Commit
//	                                  └─ Fits, Schedule ─► yes, or Reason{Plugin, Message}
//
// The state is simulated: nodes that do not exist yet are added from a
// template, pods are placed that nobody has bound. [Cluster.Fork] and
// [Cluster.Revert] make "what if" cheap: a node is copied when it is first
// changed, and a journal knows how to go back, so that it costs what was changed
// and not the size of the cluster.
//
// What is not asked: scores (where the pod would like best to be), preemption,
// and dynamic resource allocation, whose claims the Snapshot does not hold; see
// [Unsupported]. A delayed volume binding is checked but not reserved: two pods
// of one look may count on the same pre-provisioned local volume.
//
// This is the only package beside the playground that imports k8s.io/kubernetes.
// It takes the plugins one by one instead of the scheduler's framework runtime,
// which would bring background goroutines and global metrics with it.
package fit
