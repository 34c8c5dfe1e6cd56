// Package fit answers one question: would the scheduler put this pod on that
// node?
//
// The answer is the scheduler's, and no question is asked twice. Pods that the
// scheduler cannot tell apart are one [Class]; nodes that no pod can tell apart
// are one kind. What depends on the two alone is asked of the scheduler's own
// plugins, once for each pair. What depends on which pods are where is counted as
// pods come and go, instead of being counted again for each pod.
//
//	pod ─► Class ─┬─ unschedulable, name, taints, node affinity ─► plugins, once per kind
//	              ├─ resources, number of pods, host ports ──────► arithmetic on the node
//	              ├─ topology spread, affinity, anti-affinity ───► tally: pods by domain
//	              ├─ volumes ────────────────────────────────────► plugins, each time
//	              └─ devices ────────────────────────────────────► plugin, each time, and a ledger
//
// An [Oracle] is all of the scheduler's Filter plugins and nothing else. It is
// too slow to plan with and is what the tests hold a [Cluster] against: the two
// give the same answer for the same reason, whatever was done before.
//
// The state is simulated: nodes that do not exist yet are made after a [Model],
// pods are placed that nobody has bound. [Cluster.Fork] and [Cluster.Revert]
// make "what if" cheap: a journal knows how to go back, so that it costs what
// was changed and not the size of the cluster. A [Row] puts many like pods on
// many nodes: where nothing but room counts by division, a node at a time.
//
// Devices are given away by the plugin's own allocator: who holds which is the
// simulation's to remember. The plugin is shown one node's devices at a time, and
// a claim as its controller will make it.
//
// What is not asked: scores (where the pod would like best to be) and preemption.
// A delayed volume binding is checked but not reserved: two pods
// of one look may count on the same pre-provisioned local volume.
//
// This is the only package beside the playground that imports k8s.io/kubernetes.
// It takes the plugins one by one instead of the scheduler's framework runtime,
// which would bring background goroutines and global metrics with it.
package fit
