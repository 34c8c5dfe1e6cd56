// Package okesim is an Oracle cloud small enough to live in a test: the REST APIs of Container Engine, and of Compute, Network, Identity and
// Limits what belongs to node pools, over a state machine in memory. The real OCI SDK talks to it and cannot tell, over HTTP or TLS ([Sim] is an
// http.Handler), or without a socket in the caller's own goroutine ([Sim.Do]), with its API key, as an instance, or as a workload.
//
// It exists because the hard part of scaling and cycling node pools is how the service misbehaves: a resize is accepted
// and an hour later the pool holds an entry without an instance ("Out of host capacity."), a 202 is lost on the wire, an
// etag went stale, a list has a second page, a deleted node comes back because nobody asked for a smaller pool. A mock of the
// SDK's interface shows none of that. Here each of them can be ordered.
//
//	SDK ──HTTP, TLS──┐
//	SDK ──Do─────────┴► signature ─► fault ─► policy ─► decode ─┐
//	                                                            ▼
//	Control (JSON) ──┐                                 state machine ──► agenda (one timer) ──► events: a kubelet may join, or die
//	Go calls ────────┴──────────────────────────────►  pools, nodes, instances,           └──► Kubernetes: cordon, evict, uncordon
//	                                                   work requests, capacity, cycles
//
// The life of one entry of a pool's node list:
//
//	             Accept              Provision            Boot
//	CREATING ───────────► CREATING ────────────► UPDATING ──────► ACTIVE ──► DELETING ──► (gone)
//	no OCID     launch    PROVISIONING           RUNNING                     TERMINATING   TERMINATED
//	               │
//	               └────► CREATING + nodeError, no OCID: stays until the pool's size is lowered
//
// A mark for deletion is never taken off: a node whose eviction or termination failed goes back to ACTIVE, and the pool's next update tries
// again. A restart is ACTIVE ──► UPDATING ──► ACTIVE with the same OCID. A cycle remembers only its bounds: which nodes are left is
// read off the difference between what they were made with and what the pool says, so that whatever happens meanwhile is counted.
//
// Time is time.Now and dice are seeded: the same calls in the same order are the same history, to the byte ([Options].Trace).
// docs/okesim.md is the page for users.
//
// The wire types are written from the service's documentation and not taken from the SDK: an emulator that shared the
// client's models would share their mistakes. Tests use the SDK on purpose.
package okesim
