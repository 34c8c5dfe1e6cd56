// Package okesim is an Oracle cloud small enough to live in a test: the Container Engine, Compute and Identity REST APIs
// as one http.Handler over a state machine in memory. The real OCI SDK talks to it by plain HTTP and cannot tell.
//
// It exists because the hard part of scaling and cycling node pools is how the service misbehaves: a resize is accepted
// and an hour later the pool holds an entry without an instance ("Out of host capacity."), a 202 is lost on the wire, an
// etag went stale, a list has a second page, a deleted node comes back because nobody asked for a smaller pool. A mock of the
// SDK's interface shows none of that. Here each of them can be ordered.
//
//	SDK ──HTTP──► signature ─► fault ─► route ─► decode ─┐
//	                                                     ▼
//	simulation, playground ──direct calls──►  state machine ──► agenda (one timer) ──► events: a kubelet may join, or die
//	                                          pools, nodes, instances, work requests, capacity
//
// The life of one entry of a pool's node list:
//
//	             Accept              Provision            Boot
//	CREATING ───────────► CREATING ────────────► UPDATING ──────► ACTIVE ──► DELETING ──► (gone)
//	no OCID     launch    PROVISIONING           RUNNING                     TERMINATING   TERMINATED
//	               │
//	               └────► CREATING + nodeError, no OCID: stays until the pool's size is lowered
//
// The wire types are written from the service's documentation and not taken from the SDK: an emulator that shared the
// client's models would share their mistakes. Tests use the SDK on purpose.
package okesim
